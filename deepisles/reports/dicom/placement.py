"""Arrays on the DWI's grid turned into the order in which DICOM slices store their voxels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deepisles.case.dicom.source_slices import SourceSlices
from deepisles.case.volume import Volume
from deepisles.errors import GeometryError

TOLERANCE_VOXELS: Final = 0.25
"""Largest distance of a slice's voxel from the grid's; even slices may be 5 % off their place."""


def lay_on_slices(volume: Volume, slices: SourceSlices) -> NDArray[Any]:
    """Sort a volume's voxels by the DICOM slices that hold the same places in the patient; nothing is resampled.

    dcm2niix turns rows round, and may turn slices round: which way is told by world coordinates alone.

    Parameters
    ----------
    volume : Volume
        On the grid of the image that was made of the slices, in any storage order.
    slices : SourceSlices
        The slices.

    Returns
    -------
    numpy.ndarray
        (slice, row, column), of `slices.shape`.

    Raises
    ------
    GeometryError
        If the voxels are not those of the slices.
    """
    to_index = np.linalg.inv(volume.grid.affine_lps)
    # indices along (x, y, z) of the grid, and steps in them
    corners = slices.corners_mm @ to_index[:3, :3].T + to_index[:3, 3]
    row_step, column_step = to_index[:3, :3] @ slices.row_step_mm, to_index[:3, :3] @ slices.column_step_mm
    exact = _list_indices(corners, row_step, column_step, slices.shape)
    whole = _list_indices(np.round(corners), np.round(row_step), np.round(column_step), slices.shape)
    x, y, z = np.moveaxis(whole.astype(np.intp), -1, 0)
    size_xyz = np.array(volume.grid.shape[::-1])
    fits = np.abs(exact - whole).max() <= TOLERANCE_VOXELS and whole.min() >= 0 and (whole < size_xyz).all()
    if fits:
        covered = np.zeros(volume.grid.shape, dtype=bool)
        covered[z, y, x] = True
        fits = bool(covered.all())
    if not fits:
        raise GeometryError(
            "The segmentation does not lie on the DWI's DICOM slices voxel by voxel: ask for a derived series "
            "(--dicom-output derived), or leave the DICOM output out."
        )
    return np.asarray(volume.array[z, y, x])


def _list_indices(
    corners: NDArray[Any], row_step: NDArray[Any], column_step: NDArray[Any], shape: tuple[int, int, int]
) -> NDArray[np.float64]:
    """List the grid index (x, y, z) of every voxel of every slice: (slice, row, column, 3)."""
    _, rows, columns = shape
    down = np.arange(rows)[:, None, None] * row_step
    across = np.arange(columns)[:, None] * column_step
    return np.asarray(corners[:, None, None, :] + down + across, dtype=np.float64)
