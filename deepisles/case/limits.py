"""What a brain MRI can be: sizes, spacing, axes and values beyond which an image is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deepisles.errors import GeometryError, InputRefused

MAX_SIDE_VOXELS: Final = 1024
MAX_VOXELS: Final = 512**3
"""1 GiB as float64; the finest brain MRI in use has about half of it."""

MAX_DATA_BYTES: Final = 8 * MAX_VOXELS
"""All voxels as 64-bit numbers."""

MIN_SIDE_VOXELS: Final = 2
MIN_PLANE_VOXELS: Final = 8
"""Two of the three sides, the plane of the slices, need this many voxels."""

MIN_SPACING_MM: Final = 0.05
MAX_EXTENT_MM: Final = 600.0
"""More than a scanner's field of view, and small enough to be resampled to 1 mm in memory."""

USUAL_SPACING_MM: Final = (0.4, 8.0)
"""What clinical brain MRI has: 0.45 mm in the plane of a FLAIR, slices of up to 7 mm with their gaps. ISLES'22, which
the published networks saw, has 0.9 to 2 mm in plane and slices of 2 to 6 mm (Hernandez Petzsche et al. 2022)."""

MAX_ORIGIN_MM: Final = 1e5
ORTHONORMAL_TOLERANCE: Final = 1e-3
"""Largest entry of |D^T D - 1|; headers with three decimals pass, sheared axes do not."""

MAX_ABSOLUTE_VALUE: Final = 1e12
"""Its square, summed over an image, still fits 32-bit floats."""


def check_size(size_xyz: Sequence[int], role: str) -> None:
    """Refuse sizes that are no brain MRI, before any memory is spent on them.

    Parameters
    ----------
    size_xyz : sequence of int
        Number of voxels along (x, y, z), as a header claims.
    role : str
        What the image is, for the message: "DWI".

    Raises
    ------
    InputRefused
        If a side or the whole is too large or too small.
    """
    text = " x ".join(str(side) for side in size_xyz)
    if max(size_xyz) > MAX_SIDE_VOXELS or math.prod(size_xyz) > MAX_VOXELS:
        raise InputRefused(
            f"The {role} image has {text} voxels, more than the {MAX_SIDE_VOXELS} a side and {MAX_VOXELS} in all "
            "that are accepted: resample it or check its header."
        )
    if min(size_xyz) < MIN_SIDE_VOXELS or sorted(size_xyz)[1] < MIN_PLANE_VOXELS:
        raise InputRefused(
            f"The {role} image has only {text} voxels: give a whole 3-D image of at least {MIN_SIDE_VOXELS} slices "
            f"of {MIN_PLANE_VOXELS} x {MIN_PLANE_VOXELS} voxels."
        )


def check_geometry(
    size_xyz: Sequence[int],
    spacing_mm: Sequence[float],
    origin_mm: Sequence[float],
    direction: Sequence[float],
    role: str,
) -> None:
    """Refuse spacing, position and axes that no scanner writes.

    Parameters
    ----------
    size_xyz, spacing_mm, origin_mm : sequence
        Along (x, y, z), LPS.
    direction : sequence of float
        Direction cosines, 3 x 3 row by row.
    role : str
        What the image is, for the message.

    Raises
    ------
    GeometryError
        If the spacing or extent is implausible, a number is not finite, or the axes are not at right angles.
    """
    if not all(math.isfinite(number) for number in (*spacing_mm, *origin_mm, *direction)):
        raise GeometryError(
            f"The {role} image's header holds a spacing, position or axis that is not a number: export it again."
        )
    if min(spacing_mm) < MIN_SPACING_MM:
        raise GeometryError(
            f"The {role} image's voxels are {min(spacing_mm):.3g} mm wide, too small for MRI in millimetres: "
            "check the spacing and its unit in the header."
        )
    extent_mm = max(side * spacing for side, spacing in zip(size_xyz, spacing_mm, strict=True))
    if extent_mm > MAX_EXTENT_MM:
        raise GeometryError(
            f"The {role} image covers {extent_mm:.4g} mm from side to side, more than a scanner can "
            f"({MAX_EXTENT_MM:.0f} mm): check the spacing and its unit in the header."
        )
    if max(abs(position) for position in origin_mm) > MAX_ORIGIN_MM:
        raise GeometryError(f"The {role} image lies metres away from the scanner's centre: check its header.")
    axes = np.clip(np.asarray(direction, dtype=np.float64).reshape(3, 3), -2, 2)
    if np.abs(axes.T @ axes - np.eye(3)).max() > ORTHONORMAL_TOLERANCE:
        raise GeometryError(
            f"The {role} image's axes are not at right angles: resample it onto a grid with orthogonal axes."
        )


def describe_unusual_spacing(spacing_mm: Sequence[float], role: str) -> tuple[str, ...]:
    """Warn of voxels that are finer or coarser than clinical images have them.

    Parameters
    ----------
    spacing_mm : sequence of float
        Along (x, y, z).
    role : str
        What the image is, for the message.
    """
    low, high = USUAL_SPACING_MM
    if low <= min(spacing_mm) and max(spacing_mm) <= high:
        return ()
    sides = " x ".join(f"{side:.3g}" for side in spacing_mm)
    return (
        f"The {role} image's voxels are {sides} mm, outside the usual {low:g} to {high:g} mm; little is known there.",
    )


def check_values(array: NDArray[Any], role: str, allow_constant: bool) -> None:
    """Refuse voxel values that cannot be an image.

    Parameters
    ----------
    array : numpy.ndarray
        Voxels (z, y, x).
    role : str
        What the image is, for the message.
    allow_constant : bool
        Whether all voxels may hold one value, as in a mask without lesion.

    Raises
    ------
    InputRefused
        If a value is NaN, infinite or absurdly large, or, unless allowed, all are the same.
    """
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise refuse_not_finite(int(array.size - np.count_nonzero(np.isfinite(array))), role)
    if max(abs(low), abs(high)) > MAX_ABSOLUTE_VALUE:
        raise InputRefused(
            f"The {role} image holds values beyond {MAX_ABSOLUTE_VALUE:.0e}, as damaged files do: export it again."
        )
    if low == high and not allow_constant:
        what = "is empty: all its voxels are zero" if low == 0 else f"is blank: all its voxels are {low:g}"
        raise InputRefused(f"The {role} image {what}; give the image as the scanner or its export wrote it.")


def refuse_not_finite(count: int, role: str) -> InputRefused:
    """Make the refusal of an image with NaN or infinite values."""
    return InputRefused(
        f"The {role} image holds {count} voxel(s) that are not finite numbers (NaN or infinity): "
        "replace them or export it again."
    )
