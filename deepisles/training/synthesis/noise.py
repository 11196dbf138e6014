"""Smooth random fields, from which nearly everything irregular here is made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepisles.training.synthesis.scene import SPACING_MM, FloatArray


def draw_smooth_field(rng: np.random.Generator, shape: Sequence[int], scale_mm: float) -> FloatArray:
    """Draw a field of zero mean and unit deviation whose bumps are about `scale_mm` wide.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    shape : sequence of int
        Voxels (z, y, x) of 2 mm.
    scale_mm : float
        Width of a bump.

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x).
    """
    # coarse noise under cubic B-splines: a fraction of the time of a wide Gaussian filter, and as round
    step = max(scale_mm / (1.5 * SPACING_MM), 1.0)
    field = rng.standard_normal([int(np.ceil(n / step)) + 4 for n in shape], dtype=np.float32)
    for axis, size in enumerate(shape):
        field = _spread(field, np.arange(size) / step + 1, axis)
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), dtype=np.float32)


def _spread(field: FloatArray, positions: NDArray[np.float64], axis: int) -> FloatArray:
    """Evaluate a cubic B-spline along one axis, its coefficients at whole positions."""
    low = np.floor(positions).astype(np.int64)
    t = positions - low
    weights = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
    matrix = np.zeros((len(positions), field.shape[axis]), dtype=np.float32)
    for offset, weight in enumerate(weights, start=-1):
        matrix[np.arange(len(positions)), low + offset] += weight
    return np.moveaxis(np.tensordot(matrix, field, axes=(1, axis)), 0, axis)
