"""Marks in time that mean something on the device: a GPU works on its own, long after a call has returned."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Mark:
    """A moment: on this process's clock, and in the GPU's queue of work where there is one."""

    host_seconds: float
    event: torch.cuda.Event | None


class DeviceClock:
    """Takes marks, and tells the time between them.

    On a GPU a mark is a CUDA event: it is passed when all work that was asked for before it is done, and taking it
    makes nobody wait, so that what is measured runs as it would unwatched.

    Parameters
    ----------
    device : torch.device
        Whose time it is.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._is_cuda = device.type == "cuda"

    def mark(self) -> Mark:
        """Take a mark after the work that was asked for on the current stream."""
        event = None
        if self._is_cuda:
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self.device))
        return Mark(time.perf_counter(), event)

    def synchronise(self) -> None:
        """Wait until the device has done everything that it was asked for."""
        if self._is_cuda:
            torch.cuda.synchronize(self.device)

    def seconds_between(self, start: Mark, end: Mark) -> float:
        """Tell the seconds from one mark to another; on a GPU both must have been passed: `synchronise` first."""
        if start.event is None or end.event is None:
            return end.host_seconds - start.host_seconds
        milliseconds: float = start.event.elapsed_time(end.event)
        return milliseconds / 1000
