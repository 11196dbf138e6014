"""What can be computed from diffusion-weighted volumes: a trace from directions, an ADC map from two b-values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deepisles.case.dicom.stack import Stack

MIN_DIRECTIONS: Final = 3
EVENNESS_TOLERANCE: Final = 0.1
"""Largest eigenvalue's distance from 1/3 of the mean of g g^T; 0 for three directions at right angles."""
TO_1E6_MM2_S: Final = 1e6


def can_average(stacks: Sequence[Stack]) -> bool:
    """Whether volumes of single directions make a trace: on one grid, and no axis seen more than another.

    The mean over directions of g^T D g is a third of D's trace where the mean of g g^T is a third of the identity.
    """
    if len(stacks) < MIN_DIRECTIONS or not all(stack.lies_as(stacks[0]) for stack in stacks[1:]):
        return False
    directions = [stack.first.weighting.direction for stack in stacks]
    if any(direction is None for direction in directions):
        return False
    vectors = np.array(directions, dtype=np.float64)
    eigenvalues = np.linalg.eigvalsh(vectors.T @ vectors / len(vectors))
    return bool(np.abs(eigenvalues - 1 / 3).max() <= EVENNESS_TOLERANCE)


def compute_trace(signals: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Compute the trace image, the geometric mean of volumes of single directions.

    Each is S0 exp(-b g^T D g), so that the mean of the logarithms is that of an image weighted by the mean diffusivity.

    Parameters
    ----------
    signals : sequence of numpy.ndarray
        Voxels (z, y, x) at one b-value; 0 where one of them is 0 or less.
    """
    mean = np.zeros(signals[0].shape, np.float64)
    visible = np.ones(signals[0].shape, bool)
    for signal in signals:
        visible &= signal > 0
        mean += np.log(np.maximum(signal, np.finfo(np.float32).tiny))
    return np.where(visible, np.exp(mean / len(signals)), 0).astype(np.float32)


def compute_adc_1e6_mm2_s(
    unweighted: NDArray[Any], weighted: NDArray[Any], low_b_s_mm2: float, b_s_mm2: float
) -> NDArray[np.float32]:
    """Compute the apparent diffusion coefficient from two b-values, ln(S0 / Sb) / (b - b0), in 1e-6 mm2/s.

    Parameters
    ----------
    unweighted, weighted : numpy.ndarray
        Voxels (z, y, x) at the low and at the high b-value, in one scale.
    low_b_s_mm2, b_s_mm2 : float
        The b-values in s/mm2.

    Returns
    -------
    numpy.ndarray
        0 where a signal is 0 or less, or where the weighted one is the larger: diffusion only takes signal away.
    """
    visible = (unweighted > 0) & (weighted > 0)
    ratio = np.divide(unweighted, weighted, out=np.ones(unweighted.shape, np.float64), where=visible)
    adc = np.log(ratio) / (b_s_mm2 - low_b_s_mm2) * TO_1E6_MM2_S
    return np.asarray(np.maximum(adc, 0), dtype=np.float32)
