"""Which slices a reader wants to see."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_SLICES = 6
SHARE_OF_BRIGHT = 0.1
"""Of the image's 99th percentile: above it is brain (or head), below it background."""
MIDDLE = (0.25, 0.75)
"""The part of the brain's height that stands for it where there is no lesion."""


def find_brain(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell brain (or head) from background; an image without anything bright counts as brain as a whole."""
    bright = float(np.percentile(image[image > 0], 99)) if np.any(image > 0) else 0.0
    brain = image > SHARE_OF_BRIGHT * bright
    return np.asarray(brain if brain.any() else np.ones_like(brain))


def choose_slices(lesion: NDArray[np.bool_], brain: NDArray[np.bool_], most: int = MOST_SLICES) -> tuple[int, ...]:
    """Choose the slices to show, in ascending order.

    Parameters
    ----------
    lesion, brain : numpy.ndarray
        (slice, row, column).
    most : int
        How many slices to show where there are so many.

    Returns
    -------
    tuple of int
        With more lesion slices than `most`: these cut into `most` runs, the slice with most lesion of each. With fewer:
        all of them and their neighbours. Without a lesion: spread over the middle half of the brain.
    """
    area = lesion.sum(axis=(1, 2))
    touched = np.flatnonzero(area)
    if touched.size > most:
        return tuple(int(run[np.argmax(area[run])]) for run in np.array_split(touched, most))
    if touched.size:
        distance = np.abs(np.arange(len(area))[:, None] - touched).min(axis=1)
        return tuple(sorted(int(i) for i in np.argsort(distance, kind="stable")[:most]))
    filled = np.flatnonzero(brain.any(axis=(1, 2)))
    heights = np.linspace(*MIDDLE, most) if most > 1 else np.array([np.mean(MIDDLE)])
    spread = heights * (filled.size - 1)
    return tuple(int(i) for i in np.unique(filled[np.round(spread).astype(int)]))
