"""A GPU that cannot run the networks is refused at the start."""

from __future__ import annotations

import pytest
import torch

from deepisles.cuda_fit import WORKING_MEMORY_BYTES, check_cuda_device, require_architecture, require_memory
from deepisles.errors import DeviceError

CUDA_126 = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]
CUDA_130 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]
GIB = 1 << 30


@pytest.mark.parametrize(
    ("capability", "compiled"),
    [
        ((7, 5), CUDA_126),
        ((8, 9), CUDA_126),
        ((9, 0), CUDA_126),
        ((6, 1), CUDA_126),
        ((12, 0), CUDA_130),
        ((12, 1), CUDA_130),
        ((13, 0), CUDA_130),
        ((10, 3), ["sm_100f"]),
        ((9, 0), ["sm_90a"]),
    ],
)
def test_architectures_that_run(capability, compiled):
    require_architecture("GPU", capability, compiled)


@pytest.mark.parametrize(
    ("capability", "compiled"),
    [
        ((12, 0), CUDA_126),
        ((3, 7), CUDA_126),
        ((7, 0), CUDA_130),
        ((7, 2), ["sm_75"]),
        ((9, 1), ["sm_90a"]),
        ((12, 0), ["compute_90a"]),
        ((7, 5), []),
        ((7, 5), ["gfx90a"]),
    ],
)
def test_architectures_that_do_not_are_refused_with_advice(capability, compiled):
    with pytest.raises(DeviceError) as refused:
        require_architecture("Quadro X", capability, compiled)
    sentence = str(refused.value)
    assert f"Quadro X, compute capability {capability[0]}.{capability[1]}" in sentence
    assert "give --device cpu" in sentence
    assert sentence.endswith(".")


def test_memory():
    require_memory("GPU", WORKING_MEMORY_BYTES + 2 * GIB, 2 * GIB)
    with pytest.raises(DeviceError, match=r"has 3\.0 GiB of free memory, and these weights need about 6\.0: .*cpu\.$"):
        require_memory("GPU", 3 * GIB, 2 * GIB)


def test_the_cpu_always_fits():
    check_cuda_device(torch.device("cpu"), 1 << 60)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_the_real_device():
    device = torch.device("cuda", 0)
    check_cuda_device(device, 0)
    with pytest.raises(DeviceError, match="GiB of free memory"):
        check_cuda_device(device, 1 << 50)
