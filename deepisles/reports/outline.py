"""The outline of a mask along its voxels' edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def trace_outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """List the voxel edges between inside and outside of a mask (row, column).

    Returns
    -------
    numpy.ndarray
        (edges, 2 ends, 2), each end as (column, row) in voxels; voxel (0, 0) reaches from 0 to 1.
    """
    padded = np.pad(mask, 1).astype(np.int8)
    one_row, one_column = np.array([1, 0]), np.array([0, 1])
    upright = np.argwhere(np.diff(padded, axis=1)) - one_row
    level = np.argwhere(np.diff(padded, axis=0)) - one_column
    ends = [np.stack([upright, upright + one_row], axis=1), np.stack([level, level + one_column], axis=1)]
    return np.asarray(np.concatenate(ends)[..., ::-1], dtype=np.float64)
