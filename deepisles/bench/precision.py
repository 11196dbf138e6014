"""What numbers a network computes with."""

from __future__ import annotations

import torch
from torch import Tensor

FIRST_TF32_CAPABILITY = 8
"""Compute capability of NVIDIA's Ampere generation, the first with TF32."""


def find_precision(image: Tensor) -> str:
    """Find what a network's convolutions would compute with on an image, at this place in the program.

    Returns
    -------
    str
        "float16" or "bfloat16" inside autocast, else the image's own type; "tf32" for float32 where cuDNN may shorten
        it.
    """
    kind = image.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else image.dtype
    if dtype == torch.float32 and kind == "cuda" and _may_use_tf32(image.device):
        return "tf32"
    return str(dtype).removeprefix("torch.")


def _may_use_tf32(device: torch.device) -> bool:
    allowed: bool = torch.backends.cudnn.allow_tf32
    return allowed and torch.cuda.get_device_capability(device)[0] >= FIRST_TF32_CAPABILITY
