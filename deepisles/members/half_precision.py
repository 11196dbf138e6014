"""Sixteen-bit numbers in networks: where the original has them on CUDA, and where a profile allows them on a CPU."""

from __future__ import annotations

from functools import cache

import torch

from deepisles.members.effort import Effort


def half_precision(device: torch.device, effort: Effort, *, on_cuda: bool = True) -> torch.autocast:
    """Make the context that a member's networks run in.

    Parameters
    ----------
    device : torch.device
        Where they run.
    effort : Effort
        Whether bfloat16 is allowed on a CPU that has it.
    on_cuda : bool
        Whether the original runs the member under float16 autocast on CUDA.
    """
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.float16, enabled=on_cuda)
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=effort.bfloat16 and computes_in_bfloat16())


@cache
def computes_in_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16; without, they would be slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(torch.backends.mkldnn.enabled) and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
