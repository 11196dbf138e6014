"""The stroke pattern, limit by limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepisles.findings.pattern import classify_pattern

NONE, SINGLE, SCATTERED, BOTH = (
    "no-ischemia",
    "single-vessel-infarct",
    "scattered-infarcts",
    "single-vessel-infarct-with-scattered-infarcts",
)


@pytest.mark.parametrize(
    ("volumes_ml", "pattern"),
    [
        ([], NONE),
        ([0.0], NONE),
        ([0.001], SINGLE),
        ([120.0], SINGLE),
        ([96.0, 4.0], SINGLE),
        ([0.096, 0.002, 0.002], SINGLE),  # a large share goes before a small total
        # exactly 95 % is not more than 95 %
        ([95.0, 5.0], BOTH),
        ([95.0, 3.0, 2.0], BOTH),
        ([0.95, 0.03, 0.02], SCATTERED),
        ([95.01, 4.99], SINGLE),
        # exactly 60 % is not less than 60 %
        ([60.0, 20.0, 20.0], BOTH),
        ([59.99, 20.0, 20.01], SCATTERED),
        # exactly 5 ml are not less than 5 ml
        ([3.5, 1.0, 0.5], BOTH),
        ([3.49, 1.0, 0.5], SCATTERED),
        ([3.5, 1.0, 0.5001], BOTH),
        # two lesions are never scattered, three can be
        ([1.0, 1.0], BOTH),
        ([50.0, 50.0], BOTH),
        ([1.0, 1.0, 1.0], SCATTERED),
        ([50.0, 50.0, 50.0], SCATTERED),
        ([0.8, 0.1, 0.1], SCATTERED),
        ([80.0, 10.0, 10.0], BOTH),
    ],
)
def test_every_limit(volumes_ml, pattern):
    assert classify_pattern(volumes_ml) == pattern
    assert classify_pattern(list(reversed(volumes_ml))) == pattern


@given(st.floats(0.0001, 0.03), st.integers(1, 400))
def test_the_limits_are_exact_whatever_the_voxels_volume(voxel_ml, scale):
    """Shares of exactly 95 % and 60 % stay exact in floating point."""
    share_95 = [19 * scale * voxel_ml, scale * voxel_ml]
    assert classify_pattern(share_95) == BOTH
    share_60 = [60 * scale * voxel_ml, 20 * scale * voxel_ml, 20 * scale * voxel_ml]
    total_ml = 100 * scale * voxel_ml
    assert classify_pattern(share_60) == (SCATTERED if round(total_ml, 9) < 5 else BOTH)


@pytest.mark.parametrize("volumes_ml", [[-1.0], [1.0, float("nan")]])
def test_impossible_volumes_are_an_error(volumes_ml):
    with pytest.raises(ValueError, match="zero or more"):
        classify_pattern(volumes_ml)
