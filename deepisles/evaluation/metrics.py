"""The measures of ISLES'22: Dice, lesion-wise F1, volume and count (Hernandez Petzsche et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

TOUCHING = np.ones((3, 3, 3))
"""26-connectivity."""


@dataclass(frozen=True)
class Agreement:
    """How a mask agrees with an expert's.

    Parameters
    ----------
    dice : float
        Overlap, 0 to 1; 1 where both are empty.
    lesion_f1 : float
        Of found lesions, 0 to 1: an expert's lesion counts as found, and a lesion of the mask as right, where they
        share a voxel. 1 where both are empty.
    volume_ml, expert_volume_ml : float
        Lesion volumes.
    lesions, expert_lesions : int
        26-connected components.
    """

    dice: float
    lesion_f1: float
    volume_ml: float
    expert_volume_ml: float
    lesions: int
    expert_lesions: int

    @property
    def volume_difference_ml(self) -> float:
        """Absolute difference of the volumes."""
        return abs(self.volume_ml - self.expert_volume_ml)


def compare_masks(mask: NDArray[Any], expert: NDArray[Any], voxel_volume_ml: float) -> Agreement:
    """Compare a mask with an expert's on the same grid (any axis order); what is not 0 is lesion.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if mask.shape != expert.shape:
        raise ValueError(f"masks of shapes {mask.shape} and {expert.shape}")
    ours, theirs = mask != 0, expert != 0
    both, total = int((ours & theirs).sum()), int(ours.sum() + theirs.sum())
    labels, count = ndimage.label(ours, TOUCHING)
    expert_labels, expert_count = ndimage.label(theirs, TOUCHING)
    found = len(np.unique(expert_labels[ours & theirs]))
    right = len(np.unique(labels[ours & theirs]))
    missed, wrong = expert_count - found, count - right
    judged = 2 * found + missed + wrong
    return Agreement(
        dice=2 * both / total if total else 1.0,
        lesion_f1=2 * found / judged if judged else 1.0,
        volume_ml=float(ours.sum()) * voxel_volume_ml,
        expert_volume_ml=float(theirs.sum()) * voxel_volume_ml,
        lesions=int(count),
        expert_lesions=int(expert_count),
    )
