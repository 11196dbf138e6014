"""Test-time mirroring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from torch import Tensor


def average_mirrored(predict: Callable[[Tensor], Tensor], window: Tensor, axes: Sequence[int]) -> Tensor:
    """Average a prediction over every combination of flips of the given spatial axes.

    Parameters
    ----------
    predict : callable
        Maps (batch, channels, a, b, c) to (batch, classes, a, b, c).
    window : Tensor
        (1, channels, a, b, c).
    axes : sequence of int
        Spatial axes to flip, 0 to 2; 2 ** len(axes) predictions are averaged (eight for all three, as nnU-Net v1 does).

    Returns
    -------
    Tensor
        (1, classes, a, b, c), as if the window had not been flipped.
    """
    flips = [[axis + 2 for axis in chosen] for n in range(len(axes) + 1) for chosen in combinations(axes, n)]
    total = predict(window) / len(flips)
    for dims in flips[1:]:
        total += predict(window.flip(dims)).flip(dims) / len(flips)
    return total
