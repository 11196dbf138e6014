"""Stripped images stay as they are; the others are stripped by one mask, from FLAIR first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from heads import BRAIN_LEVEL, BRAIN_ML, IntensityExtractor, make_head

from deepisles.case.case import Case
from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_case
from deepisles.errors import InputRefused
from deepisles.preparation.brain_extraction import find_unstripped, strip_case
from deepisles.preparation.deepbet_extractor import DeepbetExtractor
from deepisles.preparation.prepare import share_grid


def make_case(*, dwi=None, adc=None, flair=None):
    """Make a case; by default a head without FLAIR."""
    dwi = dwi or make_head("dwi")
    adc = adc or dwi.with_array((dwi.array > 0) * np.float32(0.8))
    return Case(dwi, adc, flair)


def make_flair(**options):
    return make_head("flair", spacing_mm=(1.0, 1.0, 5.0), **options)


def read_real(cases, name, *, flair=None):
    folder = cases / name
    files = CaseFiles(folder / "dwi.nii.gz", folder / "adc.nii.gz", folder / flair if flair else None)
    return share_grid(read_case(files))


def assert_stripped(volume):
    """Only voxels of the brain's level, or exactly 0."""
    assert set(np.unique(volume.array > 0)) == {False, True}
    assert volume.array[volume.array != 0].min() > 0.8 * BRAIN_LEVEL


@pytest.fixture
def extractor():
    return IntensityExtractor()


@pytest.fixture(scope="module")
def deepbet():
    return DeepbetExtractor(torch.device("cpu"))


@pytest.mark.parametrize(("name", "flair"), [("isles22-0009", "flair.nii.gz"), ("thick-slices", "flair.nii.gz")])
def test_real_stripped_cases_are_left_to_the_bit(cases, extractor, name, flair):
    case = read_real(cases, name, flair=flair)
    before = [volume.array.copy() for volume in (case.dwi, case.adc, case.flair)]
    kept, brain = strip_case(case, "auto", extractor)
    assert (brain.status, brain.mask, brain.applied_to, extractor.asked) == ("not-needed", None, (), 0)
    assert (kept.dwi, kept.adc, kept.flair) == (case.dwi, case.adc, case.flair)
    for volume, stored in zip((kept.dwi, kept.adc, kept.flair), before, strict=True):
        assert volume.array.tobytes() == stored.tobytes()
    assert kept.warnings == case.warnings


def test_off_leaves_a_head_as_it_is(extractor):
    case = make_case()
    kept, brain = strip_case(case, "off", extractor)
    assert kept is case
    assert (brain.status, extractor.asked) == ("off", 0)


def test_without_flair_the_dwis_brain_is_the_mask(extractor):
    stripped, brain = strip_case(make_case(), "auto", extractor)
    assert (brain.status, brain.source, brain.method) == ("done", "dwi", "intensity 1.0")
    assert brain.applied_to == ("dwi", "adc")
    assert brain.volume_ml == pytest.approx(BRAIN_ML, rel=0.02)
    assert brain.seconds is not None
    assert brain.mask is not None
    assert brain.mask.array.dtype == np.uint8
    assert brain.mask.grid == stripped.dwi.grid
    assert_stripped(stripped.dwi)
    np.testing.assert_array_equal(stripped.adc.array > 0, brain.mask.array > 0)
    assert stripped.warnings == ()


def test_the_flairs_brain_comes_first_and_is_carried_in_space(extractor):
    flair = make_flair(shift_mm=(2, 0, -2), rotation_deg=(0, 0, 0))
    stripped, brain = strip_case(make_case(flair=flair), "auto", extractor)
    assert (brain.source, brain.applied_to, extractor.asked) == ("flair", ("dwi", "adc", "flair"), 1)
    assert brain.volume_ml == pytest.approx(BRAIN_ML, rel=0.02)
    assert_stripped(stripped.flair)
    outside = brain.mask.array == 0
    assert not stripped.dwi.array[outside].any()
    assert not stripped.adc.array[outside].any()


@pytest.mark.parametrize("flair", [make_flair(shift_mm=(0, 0, 25)), make_flair(keep=0.6)], ids=["elsewhere", "partial"])
def test_a_flair_that_does_not_fit_leaves_the_dwi_its_own_mask(extractor, flair):
    stripped, brain = strip_case(make_case(flair=flair), "auto", extractor)
    assert (brain.source, extractor.asked) == ("dwi", 2)
    assert brain.volume_ml == pytest.approx(BRAIN_ML, rel=0.02)
    assert_stripped(stripped.dwi)
    assert_stripped(stripped.flair)
    (warning,) = stripped.warnings
    assert "covers only" in warning


def test_a_flair_without_a_brain_takes_the_dwis_mask(extractor):
    flair = make_flair()
    unlike = flair.with_array(np.where(flair.array > 0.8 * BRAIN_LEVEL, 3 * flair.array, flair.array))
    stripped, brain = strip_case(make_case(flair=unlike), "auto", extractor)
    assert brain.source == "dwi"
    assert 0 < np.count_nonzero(stripped.flair.array) < np.count_nonzero(unlike.array)
    assert "no brain of a plausible size was found on the FLAIR" in stripped.warnings[0]


def test_of_a_mixed_case_only_what_shows_a_head_is_stripped(extractor):
    brain_alone = make_head("dwi", stripped=True)
    mixed = make_case(dwi=brain_alone, flair=make_flair())
    stripped, brain = strip_case(mixed, "auto", extractor)
    assert brain.applied_to == ("flair",)
    assert stripped.dwi is mixed.dwi
    assert stripped.adc is mixed.adc
    assert_stripped(stripped.flair)

    case = make_case(flair=make_flair(stripped=True))
    stripped, brain = strip_case(case, "auto", extractor)
    assert (brain.source, brain.applied_to) == ("dwi", ("dwi", "adc"))
    assert stripped.flair is case.flair

    noise = np.random.default_rng(0).uniform(0, 2, size=brain_alone.array.shape)
    raw_adc = brain_alone.with_array(np.where(brain_alone.array > 0, 0.8, noise))
    stripped, brain = strip_case(make_case(dwi=brain_alone, adc=raw_adc), "auto", extractor)
    assert brain.applied_to == ("adc",)
    assert not stripped.adc.array[brain.mask.array == 0].any()


def test_on_strips_in_any_case(extractor):
    case = make_case(dwi=make_head("dwi", stripped=True), flair=make_flair(stripped=True))
    assert find_unstripped(case) == ((), ())
    _, brain = strip_case(case, "on", extractor)
    assert (brain.status, brain.source, brain.applied_to) == ("done", "flair", ("dwi", "adc", "flair"))


@pytest.mark.parametrize("shrink", [0.5, 1.4])
def test_a_brain_of_no_plausible_size_is_refused(extractor, shrink):
    head = make_head("dwi")
    spacing = tuple(step * shrink for step in head.grid.spacing_mm)
    resized = replace(head, grid=replace(head.grid, spacing_mm=spacing))
    with pytest.raises(
        InputRefused, match=r"The brain found on the DWI image has \d+ ml, where 500 to 2500 ml"
    ) as told:
        strip_case(make_case(dwi=resized), "on", extractor)
    assert str(told.value).endswith(".")


def test_a_mask_that_leaves_out_bright_brain_is_told(extractor):
    head = make_head("dwi")
    bright = head.array.copy()
    # a stroke that the extractor takes for something else
    bright[10:24, 40:60, 40:60] *= np.where(bright[10:24, 40:60, 40:60] > 0.8 * BRAIN_LEVEL, 2, 1)
    stripped, _ = strip_case(make_case(dwi=head.with_array(bright)), "auto", extractor)
    assert any("leaves out" in warning for warning in stripped.warnings)


def test_a_stripped_dwi_on_another_background_is_left_with_a_warning(extractor):
    dwi = make_head("dwi", stripped=True)
    case = make_case(dwi=dwi.with_array(np.where(dwi.array == 0, np.float32(-1024), dwi.array)))
    adc = replace(case, adc=dwi.with_array((dwi.array > 0) * np.float32(0.8)))
    kept, brain = strip_case(adc, "auto", extractor)
    assert brain.status == "not-needed"
    assert kept.dwi is case.dwi
    assert "background that is not 0" in kept.warnings[0]


def test_another_mode_is_refused(extractor):
    with pytest.raises(InputRefused, match="one of auto, on, off"):
        strip_case(make_case(), "sometimes", extractor)


def test_the_real_head_is_stripped_and_a_t1w_12_mm_off_is_not_trusted_for_it(cases, deepbet):
    case = read_real(cases, "soop-sub3", flair="t1w.nii.gz")
    stripped, brain = strip_case(case, "auto", deepbet)
    assert (brain.source, brain.applied_to) == ("dwi", ("dwi", "adc", "flair"))
    assert brain.volume_ml == pytest.approx(1400, rel=0.1)
    outside = brain.mask.array == 0
    assert not stripped.dwi.array[outside].any()
    assert not stripped.adc.array[outside].any()
    assert stripped.dwi.array.dtype == case.dwi.array.dtype
    t1w_ml = np.count_nonzero(stripped.flair.array) * case.flair.grid.voxel_volume_ml
    assert t1w_ml == pytest.approx(1400, rel=0.1)
    assert any("covers only" in warning for warning in stripped.warnings)
    assert find_unstripped(stripped) == ((), ())


@pytest.mark.parametrize("name", ["isles22-0009", "thick-slices"])
@pytest.mark.parametrize("flair", ["flair.nii.gz", None])
def test_stripping_a_stripped_brain_once_more_takes_little(cases, deepbet, name, flair):
    case = read_real(cases, name, flair=flair)
    stripped, brain = strip_case(case, "on", deepbet)
    assert brain.source == ("flair" if flair else "dwi")
    for before, after in ((case.dwi, stripped.dwi), (case.adc, stripped.adc)):
        there, left = before.array != 0, after.array != 0
        assert 2 * (there & left).sum() / (there.sum() + left.sum()) >= 0.97
