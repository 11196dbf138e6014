"""Brain masks: carried in space, applied exactly, compared with the DWI."""

from __future__ import annotations

import numpy as np
import pytest
from heads import BRAIN_LEVEL, BRAIN_ML, make_head
from volumes import make_volume

from deepisles.preparation.brain_mask import apply_mask, carry_mask, measure_coverage, measure_mask_ml


def brain_of(head):
    return head.with_array((np.abs(head.array - BRAIN_LEVEL) < 0.15 * BRAIN_LEVEL).astype(np.uint8))


def test_a_mask_keeps_its_place_and_volume_on_another_grid():
    dwi = make_head("dwi")
    flair = make_head("flair", spacing_mm=(1.0, 1.0, 4.0), rotation_deg=(-3, 8, 2))
    carried = carry_mask(brain_of(flair), dwi)
    assert carried.grid == dwi.grid
    assert carried.array.dtype == np.uint8
    assert set(np.unique(carried.array)) == {0, 1}
    own = brain_of(dwi).array
    assert 2 * (carried.array & own).sum() / (carried.array.sum() + own.sum()) > 0.97
    assert measure_mask_ml(carried) == pytest.approx(BRAIN_ML, rel=0.02)


def test_outside_the_other_field_of_view_the_mask_is_0():
    dwi, flair = make_head("dwi"), make_head("flair", keep=0.5)
    carried = carry_mask(brain_of(flair), dwi)
    assert not carried.array[-(dwi.array.shape[0] // 2) + 2 :].any()
    assert carried.array.any()


def test_the_same_grid_is_not_resampled():
    dwi = make_head("dwi")
    mask = brain_of(dwi)
    assert carry_mask(mask, dwi).array is mask.array


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_outside_is_exactly_0_and_inside_untouched(dtype):
    image = make_volume(dtype=dtype)
    mask = image.with_array((np.random.default_rng(3).random(image.array.shape) > 0.5).astype(np.uint8))
    stripped = apply_mask(image, mask)
    assert stripped.array.dtype == dtype
    assert not stripped.array[mask.array == 0].any()
    np.testing.assert_array_equal(stripped.array[mask.array > 0], image.array[mask.array > 0])


def test_coverage_falls_as_the_mask_is_moved_or_cut():
    dwi = make_head("dwi")
    whole = measure_coverage(brain_of(dwi), dwi)
    moved = [measure_coverage(carry_mask(brain_of(make_head("dwi", shift_mm=(0, 0, mm))), dwi), dwi) for mm in (5, 12)]
    assert whole > 0.99
    assert whole > moved[0] > moved[1]
    assert moved[1] < 0.95
    assert measure_coverage(brain_of(dwi).with_array(np.zeros_like(brain_of(dwi).array)), dwi) == 0
    cut = brain_of(dwi).array.copy()
    cut[-12:] = 0
    assert measure_coverage(dwi.with_array(cut), dwi) < 0.95
