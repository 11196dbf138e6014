"""Synthetic cases: reproducible, in physical units, and with a lesion only where the mask says so."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from deepisles.training.synthesis.case import Ingredients, synthesise_case
from deepisles.training.synthesis.scanner import LEAST_VOXELS, Acquisition

SEEDS = range(40, 52)


@pytest.fixture(scope="module")
def strokes(ingredients: Ingredients) -> list[Acquisition]:
    return [synthesise_case(seed, ingredients, lesion_free=False) for seed in SEEDS]


@pytest.fixture(scope="module")
def healthy(ingredients: Ingredients) -> list[Acquisition]:
    return [synthesise_case(seed, ingredients, lesion_free=True) for seed in SEEDS]


def brain_ml(case: Acquisition) -> float:
    return float((case.dwi > 0).sum() * np.prod(case.spacing_mm) / 1000)


def test_same_seed_same_images(ingredients: Ingredients) -> None:
    first, second = synthesise_case(7, ingredients), synthesise_case(7, ingredients)
    for name in ("dwi", "adc", "flair", "lesion"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(first.dwi, synthesise_case(8, ingredients).dwi)


def test_lesion_free_means_no_label(healthy: list[Acquisition]) -> None:
    assert not any(case.lesion.any() for case in healthy)


def test_most_strokes_have_a_label(strokes: list[Acquisition]) -> None:
    # some are too faint to be drawn, as in life
    assert sum(case.lesion.any() for case in strokes) >= len(SEEDS) * 3 // 4


def test_heads_are_of_human_size(strokes: list[Acquisition], healthy: list[Acquisition]) -> None:
    volumes = [brain_ml(case) for case in (*strokes, *healthy)]
    assert min(volumes) > 800
    assert max(volumes) < 2400
    assert 1200 < np.median(volumes) < 1750


def test_diffusion_is_in_units(healthy: list[Acquisition]) -> None:
    """1e-6 mm2/s: tissue around 800, fluid near 3000, nothing above what scanners give."""
    for case in healthy:
        inside = case.adc[case.dwi > 0]
        assert 700 < np.median(inside) < 1100
        assert np.percentile(inside, 99) > 1800
        assert inside.min() >= 0
        assert inside.max() <= 4000


def test_strokes_are_bright_and_restricted(strokes: list[Acquisition]) -> None:
    """About as in five patients: DWI 1.7 to 2.4 deviations above the brain, ADC 0.47 to 0.85 of the other side's."""
    z_dwi, adc_ratio = [], []
    for case in strokes:
        if case.lesion.any():
            rest = (case.dwi > 0) & ~ndimage.binary_dilation(case.lesion, iterations=2)
            z_dwi.append((case.dwi[case.lesion].mean() - case.dwi[rest].mean()) / case.dwi[rest].std())
            adc_ratio.append(np.median(case.adc[case.lesion]) / np.median(case.adc[rest]))
    assert 1.2 < np.median(z_dwi) < 3.0
    assert 0.47 < np.median(adc_ratio) < 0.85


def test_labels_lie_in_the_brain_and_are_no_specks(strokes: list[Acquisition]) -> None:
    for case in strokes:
        assert (case.dwi[case.lesion] > 0).mean() > 0.98 if case.lesion.any() else True
        labels, count = ndimage.label(case.lesion, np.ones((3, 3, 3)))
        assert all((labels == number).sum() >= LEAST_VOXELS for number in range(1, count + 1))


def test_slices_are_as_thick_as_the_spacing_says(strokes: list[Acquisition]) -> None:
    thick = {round(case.spacing_mm[2], 3) for case in strokes}
    assert all(2 <= each <= 6.5 for each in thick)
    assert len(thick) > 3
    heights = [case.dwi.shape[0] * case.spacing_mm[2] for case in strokes]
    assert max(heights) - min(heights) < 7


def test_nothing_outside_the_brain_mask(strokes: list[Acquisition]) -> None:
    for case in strokes:
        assert (case.dwi == 0).mean() > 0.3
        assert not case.adc[case.dwi == 0].any()
        assert case.flair is not None
        assert not case.flair[case.dwi == 0].any()


def test_without_expert_shapes_there_are_still_lesions() -> None:
    cases = [synthesise_case(seed, Ingredients(), lesion_free=False) for seed in range(4)]
    assert any(case.lesion.any() for case in cases)
