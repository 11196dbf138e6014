"""The time inside networks."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn


class NetworkClock:
    """Calls networks and adds up their wall time, kernels on a GPU included.

    Parameters
    ----------
    device : torch.device
        Where they run.
    half : bool
        Whether to run under fp16 autocast on CUDA.
    """

    def __init__(self, device: torch.device, *, half: bool) -> None:
        self.device = device
        self.half = half and device.type == "cuda"
        self.seconds = 0.0
        self.forwards = 0

    def call(self, network: nn.Module, windows: Tensor) -> Tensor:
        """Run a network on (batch, channels, a, b, c)."""
        started = time.perf_counter()
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.half):
            answer: Tensor = network(windows)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - started
        self.forwards += windows.shape[0]
        return answer
