"""Masks against an expert's: known answers, and what holds for any masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from deepisles.evaluation.metrics import compare_masks

MASKS = arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 1))


def test_known_answer() -> None:
    expert = np.zeros((1, 8, 8), dtype=np.uint8)
    expert[0, 1:3, 1:3] = 1
    expert[0, 6, 6] = 1
    mask = np.zeros_like(expert)
    mask[0, 1:3, 1:5] = 1
    mask[0, 0, 7] = 1
    agreement = compare_masks(mask, expert, 0.5)
    # 4 voxels shared of 9 and 5; one lesion found, one missed, one wrong
    assert agreement.dice == pytest.approx(2 * 4 / 14)
    assert agreement.lesion_f1 == pytest.approx(2 / (2 + 1 + 1))
    assert (agreement.volume_ml, agreement.expert_volume_ml, agreement.volume_difference_ml) == (4.5, 2.5, 2.0)
    assert (agreement.lesions, agreement.expert_lesions) == (2, 2)


def test_nothing_found_where_nothing_is() -> None:
    empty = np.zeros((2, 2, 2))
    assert (compare_masks(empty, empty, 1.0).dice, compare_masks(empty, empty, 1.0).lesion_f1) == (1.0, 1.0)
    full = np.ones((2, 2, 2))
    assert (compare_masks(full, empty, 1.0).dice, compare_masks(empty, full, 1.0).lesion_f1) == (0.0, 0.0)


def test_other_shapes_are_an_error() -> None:
    with pytest.raises(ValueError, match="shapes"):
        compare_masks(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), 1.0)


@given(MASKS, MASKS)
def test_any_masks(mask: np.ndarray, expert: np.ndarray) -> None:
    there, back = compare_masks(mask, expert, 1.0), compare_masks(expert, mask, 1.0)
    assert there.dice == back.dice
    assert 0 <= there.dice <= 1
    assert 0 <= there.lesion_f1 <= 1
    assert compare_masks(mask, mask, 1.0).dice == compare_masks(mask, mask, 1.0).lesion_f1 == 1
    assert there.lesions == ndimage.label(mask, np.ones((3, 3, 3)))[1]
    assert (there.dice > 0) == (there.lesion_f1 > 0) or not (mask.any() or expert.any())
