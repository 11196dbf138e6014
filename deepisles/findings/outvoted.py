"""Lesions that members saw and the vote left out, where it left out all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepisles.case.volume import Grid
from deepisles.findings.lesions import measure_volume_ml

LEAST_TOLD_ML = 1.0
"""Volume that a member must mark to be told of: a choice; lesions from 1 ml on are those that nobody may overlook."""


def warn_of_outvoted(mask: NDArray[np.uint8], member_masks: Mapping[str, NDArray[Any]], grid: Grid) -> tuple[str, ...]:
    """Warn where the vote found no lesion, and yet single members mark what may be one.

    Parameters
    ----------
    mask : numpy.ndarray
        (z, y, x): the vote's.
    member_masks : mapping of str to numpy.ndarray
        (z, y, x), 0 or 1, by member.
    grid : Grid
        Of all of them.

    Returns
    -------
    tuple of str
        One sentence, or none.
    """
    if mask.any():
        return ()
    volumes_ml = {name: measure_volume_ml(marked, grid) for name, marked in member_masks.items()}
    told = [f"{name.upper()} marks {ml:.1f} ml" for name, ml in volumes_ml.items() if ml >= LEAST_TOLD_ML]
    if not told:
        return ()
    return (
        f"no voxel was voted to be lesion, but {' and '.join(told)}: look at lesion_agreement.nii.gz before taking "
        "this for no lesion",
    )
