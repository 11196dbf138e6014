"""Whether a GPU can run the networks: told at the start, not by a crash in the middle of a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import torch

from deepisles.errors import DeviceError

WORKING_MEMORY_BYTES: Final = 4 << 30
"""Beside the weights, reckoned: NVAUTO's window of 192 x 192 x 128 with 32 features of 4 bytes takes 0.6 GB for each of
the feature maps that live at once, about six."""
GIB: Final = 1 << 30


def check_cuda_device(device: torch.device, weights_bytes: int) -> None:
    """Refuse a CUDA device that cannot run the networks; any other device passes.

    Parameters
    ----------
    device : torch.device
        Where they are to run.
    weights_bytes : int
        What the networks' files come to.

    Raises
    ------
    DeviceError
        If this PyTorch has no code for it, its driver is too old, or too little of its memory is free.
    """
    if device.type != "cuda":
        return
    try:
        name = torch.cuda.get_device_name(device)
        require_architecture(name, torch.cuda.get_device_capability(device), torch.cuda.get_arch_list())
        require_memory(name, torch.cuda.mem_get_info(device)[0], weights_bytes)
    except RuntimeError as error:
        raise DeviceError(
            f"The CUDA device {device} does not answer: check its driver, or give --device cpu."
        ) from error


def require_architecture(name: str, capability: tuple[int, int], compiled: Sequence[str]) -> None:
    """Refuse a GPU that this PyTorch was not compiled for.

    Parameters
    ----------
    name : str
        The GPU's.
    capability : tuple of int
        Its compute capability, major and minor.
    compiled : sequence of str
        What PyTorch holds: ``sm_86`` is code for 8.6 and later ones of 8; ``compute_90`` can be compiled for 9.0 and
        all later ones; ``sm_90a`` is for 9.0 alone, ``sm_100f`` for 10.0 and later ones of 10.

    Raises
    ------
    DeviceError
        If none of it runs.
    """
    if any(_runs_on(architecture, capability) for architecture in compiled):
        return
    raise DeviceError(
        f"The GPU ({name}, compute capability {capability[0]}.{capability[1]}) is not one that this PyTorch can use "
        f"({', '.join(compiled) or 'none'}): run on another GPU, install a PyTorch for this one, or give --device cpu."
    )


def _runs_on(architecture: str, capability: tuple[int, int]) -> bool:
    told = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
    if told is None:
        return False
    compiled = (int(told[2]), int(told[3]))
    if told[4] == "a":
        return compiled == capability
    if told[1] == "compute" and not told[4]:
        return compiled <= capability
    return compiled[0] == capability[0] and compiled[1] <= capability[1]


def require_memory(name: str, free_bytes: int, weights_bytes: int) -> None:
    """Refuse a GPU with too little free memory.

    Raises
    ------
    DeviceError
        If the weights and what the largest window needs do not fit.
    """
    needed = weights_bytes + WORKING_MEMORY_BYTES
    if free_bytes < needed:
        raise DeviceError(
            f"The GPU ({name}) has {free_bytes / GIB:.1f} GiB of free memory, and these weights need about "
            f"{needed / GIB:.1f}: end what else uses it, run on a larger one, or give --device cpu."
        )
