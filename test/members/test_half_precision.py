"""Sixteen-bit numbers on a CPU: only where they were allowed, and near to float32."""

from __future__ import annotations

import pytest
import torch

from deepisles.members.cpu_layout import lay_out_for_cpu
from deepisles.members.effort import FULL, Effort
from deepisles.members.half_precision import computes_in_bfloat16, half_precision
from deepisles.members.networks.res_unet import build_res_unet
from deepisles.members.networks.specs import ResUNetSpec, SwinFactorizerSpec, UNetSkeletonSpec
from deepisles.members.networks.swin_factorizer import build_swin_factorizer

CPU = torch.device("cpu")
SKELETON = UNetSkeletonSpec(
    in_channels=3, out_channels=1, stem_width=8, widths=(8, 16), strides=((1, 1, 1), (2, 2, 2)),
    encoder_depth=(1, 1), decoder_depth=(1,), heads=1,
)  # fmt: skip
NETWORKS = {
    "res-unet": lambda: build_res_unet(ResUNetSpec(SKELETON, norm_groups=4, negative_slope=0.01)),
    "swin-factorizer": lambda: build_swin_factorizer(
        SwinFactorizerSpec(
            SKELETON,
            spatial_size=(16, 16, 16),
            pos_embed=True,
            head_dim=8,
            patch_size=(4, 4, 4),
            shifts=(None, (2, 2, 2)),
            rank=1,
            iterations=5,
            mlp_ratio=2.0,
        )
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_unless_it_is_allowed_and_then_near_to_it(name):
    torch.manual_seed(0)
    network = lay_out_for_cpu(NETWORKS[name]().eval())
    image = torch.randn(1, 3, 16, 16, 16)
    with torch.inference_mode():
        exact = network(image)
        with half_precision(CPU, FULL):
            assert torch.equal(network(image), exact)
        with half_precision(CPU, Effort(bfloat16=True)):
            short = network(image)
    if not computes_in_bfloat16():
        assert torch.equal(short, exact)
        pytest.skip("this CPU has no bfloat16")
    assert short.dtype == torch.bfloat16
    assert 0 < float((short - exact).abs().max()) < 0.1 * float(exact.std())
