"""Test-time mirroring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from torch import Tensor


def average_mirrored(
    predict: Callable[[Tensor], Tensor], windows: Tensor, axes: Sequence[int], at_once: int = 1
) -> Tensor:
    """Average a prediction over every combination of flips of the given spatial axes.

    Parameters
    ----------
    predict : callable
        Maps (batch, channels, a, b, c) to (batch, classes, a, b, c), each window by itself.
    windows : Tensor
        (n, channels, a, b, c).
    axes : sequence of int
        Spatial axes to flip, 0 to 2; 2 ** len(axes) predictions are averaged (eight for all three, as nnU-Net v1 does).
    at_once : int
        Windows that `predict` is given at once, at the least the `n` of one flip; the answer does not hang on it.

    Returns
    -------
    Tensor
        (n, classes, a, b, c), as if the windows had not been flipped.
    """
    flips = [[axis + 2 for axis in chosen] for n in range(len(axes) + 1) for chosen in combinations(axes, n)]
    step = max(at_once // len(windows), 1)
    total: Tensor | None = None
    for first in range(0, len(flips), step):
        now = flips[first : first + step]
        answers = predict(torch.cat([windows.flip(dims) for dims in now])).chunk(len(now))
        for dims, answer in zip(now, answers, strict=True):
            share = answer.flip(dims) / len(flips)
            total = share if total is None else total.add_(share)
    if total is None:
        raise ValueError("no window to predict")
    return total
