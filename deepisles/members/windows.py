"""Sliding windows: where they lie, and how their answers are blended into one volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from monai.data.utils import dense_patch_slices
from torch import Tensor
from torch.nn import functional

Start = tuple[int, int, int]
Predict = Callable[[Tensor], Tensor]
"""Maps windows (n, channels, *window) to (n, classes, *window), each by itself."""


@dataclass(frozen=True)
class Padding:
    """Zeros around a volume that is smaller than the window."""

    before: tuple[int, int, int]
    after: tuple[int, int, int]

    def apply(self, image: Tensor) -> Tensor:
        """Pad (..., a, b, c) with zeros."""
        widths = [n for axis in (2, 1, 0) for n in (self.before[axis], self.after[axis])]
        return functional.pad(image, widths) if any(widths) else image

    def remove(self, image: Tensor) -> Tensor:
        """Undo `apply`."""
        a, b, c = (
            slice(before, image.shape[axis - 3] - after)
            for axis, (before, after) in enumerate(zip(self.before, self.after, strict=True))
        )
        return image[..., a, b, c]


def pad_to_window(size: Sequence[int], window: Sequence[int]) -> Padding:
    """Find the padding that brings `size` up to `window`: half before (rounded down), the rest after.

    nnU-Net v1 and MONAI agree on this rule.
    """
    missing = [max(w - n, 0) for n, w in zip(size, window, strict=True)]
    before = tuple(d // 2 for d in missing)
    after = tuple(d - d // 2 for d in missing)
    return Padding((before[0], before[1], before[2]), (after[0], after[1], after[2]))


def list_dense_starts(size: Sequence[int], window: Sequence[int], overlap: float) -> list[Start]:
    """Window starts by MONAI's rule, first axis outermost; `size` is at least `window` on every axis."""
    interval = [n if n == w else int(w * (1 - overlap)) for n, w in zip(size, window, strict=True)]
    slices = dense_patch_slices(size, window, [max(i, 1) for i in interval])
    return [(s[0].start, s[1].start, s[2].start) for s in slices]


def blend_windows(
    predict: Predict,
    image: Tensor,
    window: Sequence[int],
    starts: Sequence[Start],
    weight: Tensor | None = None,
    on_windows: Callable[[int], None] = lambda count: None,
    at_once: Callable[[], int] = lambda: 1,
) -> Tensor:
    """Predict every window and average where they overlap.

    Parameters
    ----------
    predict : callable
        The network, or several.
    image : Tensor
        (1, channels, *size), on the device to work on.
    window : sequence of int
        Window size.
    starts : sequence of 3-tuples
        First voxel of each window; together they cover the image.
    weight : Tensor, optional
        Blending weight (*window), float32, above zero; all ones if absent.
    on_windows : callable
        Called with the number of windows just done.
    at_once : callable
        Says how many windows `predict` is given next, one where that is less; the answer does not hang on it.

    Returns
    -------
    Tensor
        (1, classes, *size), float32, on the image's device.
    """
    if weight is None:
        weight = torch.ones(tuple(window), dtype=torch.float32, device=image.device)
    total: Tensor | None = None
    weight_sum = torch.zeros(image.shape[2:], dtype=torch.float32, device=image.device)
    done = 0
    while done < len(starts):
        now = [
            tuple(slice(s, s + w) for s, w in zip(start, window, strict=True))
            for start in starts[done : done + max(at_once(), 1)]
        ]
        answers = predict(torch.cat([image[..., a, b, c] for a, b, c in now])).float()
        if total is None:
            total = torch.zeros((1, answers.shape[1], *image.shape[2:]), dtype=torch.float32, device=image.device)
        for (a, b, c), answer in zip(now, answers, strict=True):
            total[0, :, a, b, c].addcmul_(answer, weight)
            weight_sum[a, b, c] += weight
        done += len(now)
        on_windows(len(now))
    if total is None:
        raise ValueError("no window to predict")
    return total.div_(weight_sum)
