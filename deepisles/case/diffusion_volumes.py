"""A DWI file with several volumes: which of them is the diffusion-weighted one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deepisles.case.b_values import MAX_B_S_MM2, MIN_B_S_MM2, TARGET_B_S_MM2, USUAL_B_S_MM2
from deepisles.case.formats import split_name
from deepisles.errors import InputRefused

SAME_B_S_MM2: Final = 50.0
"""Scanners vary a nominal b-value by the gradients of the image itself."""
LEAST_FALL: Final = 1.3
"""How much brighter b = 0 is than b = 1000 at least: tissue loses 55 % of its signal, fluid nearly all."""
MAX_BVAL_BYTES: Final = 1 << 16
BVAL_SUFFIX: Final = ".bval"
ADVICE: Final = "give the trace image at b about 1000 as one 3-D volume"


def choose_weighted(volumes: NDArray[Any], b_values_s_mm2: tuple[float, ...] | None) -> tuple[int, str]:
    """Choose the volume at b about 1000.

    Parameters
    ----------
    volumes : numpy.ndarray
        Voxels (volume, z, y, x).
    b_values_s_mm2 : tuple of float or None
        One per volume, where they are known. Without them two volumes are told apart by their signal: the darker one
        is diffusion-weighted.

    Returns
    -------
    int
        Index of the volume.
    str
        A note on what was chosen and why, volumes counted from 1.

    Raises
    ------
    InputRefused
        If none is near 1000, several are, or it cannot be told.
    """
    count = len(volumes)
    if b_values_s_mm2 is None:
        return _choose_by_signal(volumes)
    if len(b_values_s_mm2) != count:
        raise InputRefused(
            f"The DWI image holds {count} volumes and its .bval file {len(b_values_s_mm2)} b-values: {ADVICE}."
        )
    usable = [b for b in b_values_s_mm2 if MIN_B_S_MM2 <= b <= MAX_B_S_MM2]
    if not usable:
        raise InputRefused(
            f"The DWI image has no volume at b about 1000 ({MIN_B_S_MM2:g} to {MAX_B_S_MM2:g} s/mm2): {ADVICE}."
        )
    nearest = min(usable, key=lambda b: abs(b - TARGET_B_S_MM2))
    alike = [index for index, b in enumerate(b_values_s_mm2) if abs(b - nearest) <= SAME_B_S_MM2]
    if len(alike) > 1:
        raise InputRefused(
            f"The DWI image holds {len(alike)} volumes at b {nearest:g}, as single directions or repeats: {ADVICE}."
        )
    note = f"the DWI file holds {count} volumes: number {alike[0] + 1} was taken, b {nearest:g} by its .bval file"
    if not USUAL_B_S_MM2[0] <= nearest <= USUAL_B_S_MM2[1]:
        note += ", where the networks know b 1000"
    return alike[0], note


def _choose_by_signal(volumes: NDArray[Any]) -> tuple[int, str]:
    if len(volumes) != 2:
        raise InputRefused(
            f"The DWI image holds {len(volumes)} volumes and no .bval file says which is which: put that beside it, "
            f"or {ADVICE}."
        )
    # where there is signal at all: in the brain, or in the head
    brighter = np.maximum(volumes[0], volumes[1])
    where = brighter > brighter.mean()
    first, second = (float(np.median(volume[where])) if where.any() else 0.0 for volume in volumes)
    index = int(second < first)
    if max(first, second) <= LEAST_FALL * min(first, second):
        raise InputRefused(
            f"The DWI image holds 2 volumes of like brightness and no .bval file says which is which: {ADVICE}."
        )
    return index, f"the DWI file holds 2 volumes: number {index + 1} was taken, the darker one, without a .bval file"


def read_b_values(image: Path) -> tuple[float, ...] | None:
    """Read the b-values (s/mm2) from the .bval file beside an image; None where there is none.

    Raises
    ------
    InputRefused
        If there is one that holds anything else than numbers.
    """
    path = image.with_name(split_name(image)[0] + BVAL_SUFFIX)
    if not path.is_file():
        return None
    try:
        content = path.read_bytes()[: MAX_BVAL_BYTES + 1]
        values = tuple(float(word) for word in content.decode("ascii").split())
    except (OSError, ValueError) as error:
        raise InputRefused(
            "The DWI image's .bval file cannot be read as numbers: correct it or take it away."
        ) from error
    if len(content) > MAX_BVAL_BYTES or not values or not all(0 <= value < 1e5 for value in values):
        raise InputRefused("The DWI image's .bval file holds no plausible b-values: correct it or take it away.")
    return values
