"""Windows through a network on the threads of a CPU: one a thread, instead of all threads on one window.

A small network's operations are short, and threads that share each of them wait for each other after every one, most of
all where another process has one of the CPUs, as the registration has. Threads with a window each wait once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import torch
from torch import Tensor

MOST_AT_ONCE: Final = 4
"""A choice: every window takes as much memory again."""
LARGEST_WINDOW_VOXELS: Final = 64**3
"""Measured at this size. The operations of much larger windows are long, and two take twice the memory."""


def count_side_by_side(window: Sequence[int]) -> int:
    """Count the windows of a size that are worth computing at once on this process' threads."""
    if math.prod(window) > LARGEST_WINDOW_VOXELS:
        return 1
    return max(min(torch.get_num_threads(), MOST_AT_ONCE), 1)


def predict_side_by_side(predict: Callable[[Tensor], Tensor], windows: Tensor) -> Tensor:
    """Predict windows, each by itself on an equal share of the threads.

    Parameters
    ----------
    predict : callable
        Maps (1, channels, a, b, c) to (1, classes, a, b, c); runs in other threads.
    windows : Tensor
        (n, channels, a, b, c), on the CPU.

    Returns
    -------
    Tensor
        (n, classes, a, b, c).
    """
    if len(windows) == 1:
        return predict(windows)
    threads = torch.get_num_threads()
    is_inference = torch.is_inference_mode_enabled()
    is_autocast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def predict_one(window: Tensor) -> Tensor:
        # both are a thread's own, and so is the number of threads below
        with torch.inference_mode(is_inference), torch.autocast("cpu", dtype, is_autocast):
            return predict(window)

    share = max(threads // len(windows), 1)
    try:
        with ThreadPoolExecutor(len(windows), "window", initializer=torch.set_num_threads, initargs=(share,)) as pool:
            return torch.cat(list(pool.map(predict_one, torch.split(windows, 1))))
    finally:
        # what threads to come start with is the process' own
        torch.set_num_threads(threads)
