"""The pattern of a stroke, from its lesions' volumes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

Pattern = Literal[
    "no-ischemia",
    "single-vessel-infarct",
    "scattered-infarcts",
    "single-vessel-infarct-with-scattered-infarcts",
]

SINGLE_VESSEL_SHARE: Final = 0.95
"""More than this in the largest lesion: a single vessel infarct."""
SCATTERED_SHARE: Final = 0.60
"""Less than this in the largest of several lesions: scattered infarcts."""
SCATTERED_VOLUME_ML: Final = 5.0
"""Less than this in all, in several lesions: scattered infarcts."""
SCATTERED_LESIONS: Final = 3
DECIMALS: Final = 9
"""Shares and volumes are rounded so far: sums of floats shall not decide what lies exactly on a limit."""


def classify_pattern(volumes_ml: Sequence[float]) -> Pattern:
    """Classify a stroke by the rule of the DeepISLES paper.

    De la Rosa et al. 2025, Methods, the rule for stroke patterns: no ischemia (0 ml); single vessel infarct (the
    largest lesion holds more than 95 % of the volume); scattered infarcts based on micro-occlusions (three lesions or
    more, and either the largest holds less than 60 % of the volume or all of them together less than 5 ml); single
    vessel infarct with accompanying scattered infarcts (all others). The questions are asked in this order, and all
    limits are strict.

    Parameters
    ----------
    volumes_ml : sequence of float
        Volume of each lesion (26-connected) in ml, in any order.

    Raises
    ------
    ValueError
        If a volume is negative or not a number.
    """
    if not all(volume >= 0 for volume in volumes_ml):
        raise ValueError("lesion volumes must be zero or more")
    total_ml = round(sum(volumes_ml), DECIMALS)
    if total_ml == 0:
        return "no-ischemia"
    largest_share = round(max(volumes_ml) / sum(volumes_ml), DECIMALS)
    if largest_share > SINGLE_VESSEL_SHARE:
        return "single-vessel-infarct"
    is_scattered = largest_share < SCATTERED_SHARE or total_ml < SCATTERED_VOLUME_ML
    if len(volumes_ml) >= SCATTERED_LESIONS and is_scattered:
        return "scattered-infarcts"
    return "single-vessel-infarct-with-scattered-infarcts"
