"""A fixed piece of work whose time tells how fast a machine is just now.

Times of cases on different or busy machines compare as their ratios to it.
"""

from __future__ import annotations

import time
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

CHANNELS: Final = 16
VOLUME_SIDE: Final = 64
MATRIX_SIDE: Final = 1024
COPIED_NUMBERS: Final = 2**25
"""128 MB of float32: more than caches hold."""
ROUNDS: Final = {"cpu": 12, "cuda": 400}
"""Half a second on two CPUs of the machine that the history began on; no GPU has told yet. Changing any of these
numbers makes older entries of the history incomparable."""
SEED: Final = 7


class Calibration:
    """The work, its operands ready on a device: a float32 3-D convolution, a matrix product and a copy in memory.

    It runs on as many threads as torch has just now, as the networks do.
    """

    def __init__(self, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(SEED)

        def make(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator).to(device)

        self._device = device
        self._volume = make(1, CHANNELS, VOLUME_SIDE, VOLUME_SIDE, VOLUME_SIDE)
        self._kernel = make(CHANNELS, CHANNELS, 3, 3, 3)
        self._matrix = make(MATRIX_SIDE, MATRIX_SIDE)
        self._source = torch.zeros(COPIED_NUMBERS, device=device)
        self._target = torch.empty_like(self._source)
        self._work(1)

    @torch.inference_mode()
    def measure(self) -> float:
        """Do the work once and tell its seconds."""
        self._wait()
        started = time.perf_counter()
        self._work(ROUNDS[self._device.type])
        self._wait()
        return time.perf_counter() - started

    def _work(self, rounds: int) -> None:
        for _ in range(rounds):
            functional.conv3d(self._volume, self._kernel, padding=1)
            torch.mm(self._matrix, self._matrix)
            self._target.copy_(self._source)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
