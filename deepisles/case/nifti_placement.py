"""Where a NIfTI header places its voxels: the affine as stored, and what a person should know about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from deepisles.case.volume import LPS_TO_RAS, Grid
from deepisles.errors import GeometryError

TOLERANCE_SHARE: Final = 0.1
"""Two placements are the same if no corner of the image moves by more than this share of the smallest voxel side."""

SPACING_TOLERANCE: Final = 0.01
"""Largest relative difference between the two voxel sizes that a header states."""


def add_stored_affine(grid: Grid, block: bytes, role: str) -> tuple[Grid, tuple[str, ...]]:
    """Keep the header's affine beside the grid that ITK read, and compare the header's two placements.

    Parameters
    ----------
    grid : Grid
        As ITK reads the file.
    block : bytes
        The 348-byte NIfTI-1 header, in either byte order.
    role : str
        What the image is, for the messages.

    Returns
    -------
    tuple
        The grid, with `stored_affine` as nibabel reads it where both libraries agree on the placement (else without),
        and warnings.

    Raises
    ------
    GeometryError
        If the header's orientation is not a rotation, or it states two voxel sizes.
    """
    try:
        header = Nifti1Header(block, check=False)
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
        codes = int(header["sform_code"]), int(header["qform_code"])
        both = all(code > 0 for code in codes)
        distance_mm = _largest_distance(grid, header.get_sform(), header.get_qform()) if both else 0.0
    except (HeaderDataError, ValueError) as error:
        raise GeometryError(f"The {role} image's header holds no valid orientation: export it again.") from error
    # ITK takes the spacing from pixdim even where it takes the axes from the sform
    sides_mm = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(sides_mm, grid.spacing_mm, rtol=SPACING_TOLERANCE, atol=0):
        raise GeometryError(
            f"The {role} image's header states two different voxel sizes (pixdim and sform): "
            "correct it or export it again."
        )
    warnings = []
    if not any(code > 0 for code in codes):
        warnings.append(
            f"The {role} image's header does not say how it lies in the patient; left and right may be swapped."
        )
    tolerance_mm = TOLERANCE_SHARE * min(grid.spacing_mm)
    if not distance_mm <= tolerance_mm:
        warnings.append(
            f"The {role} image's header places it twice (sform and qform), up to {distance_mm:.3g} mm apart; "
            "the placement that ITK prefers is used."
        )
    if _largest_distance(grid, affine, LPS_TO_RAS @ grid.affine_lps) <= tolerance_mm:
        grid = replace(grid, stored_affine=tuple(float(entry) for entry in affine.ravel()))
    return grid, tuple(warnings)


def _largest_distance(grid: Grid, affine: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Largest distance in mm between where two affines put the image's corners."""
    x, y, z = (side - 1 for side in grid.shape[::-1])
    corners = np.array([[i, j, k, 1] for i in (0, x) for j in (0, y) for k in (0, z)], dtype=np.float64)
    return float(np.linalg.norm(corners @ (affine - other).T, axis=-1).max())
