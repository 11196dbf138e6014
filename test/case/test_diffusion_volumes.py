"""A DWI file with several volumes: the one at b about 1000 is taken, and nothing is guessed."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from deepisles.case.diffusion_volumes import choose_weighted, read_b_values
from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_case, read_volume
from deepisles.errors import InputRefused

SHAPE = (6, 9, 10)


def make_pair():
    """Make b = 0 and b = 1000 of the same tissue."""
    rng = np.random.default_rng(0)
    b0 = np.zeros(SHAPE)
    b0[1:-1, 2:-2, 2:-2] = rng.uniform(400, 900, size=(4, 5, 6))
    return b0.astype(np.int16), (b0 * np.exp(-0.8)).astype(np.int16)


def write(folder, volumes, b_values=None, suffix=".nii.gz"):
    stacked = sitk.JoinSeries([sitk.GetImageFromArray(volume) for volume in volumes])
    path = folder / f"dwi{suffix}"
    sitk.WriteImage(stacked, path)
    if b_values is not None:
        (folder / "dwi.bval").write_text(b_values)
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".mha"])
@pytest.mark.parametrize("weighted_first", [False, True])
def test_without_b_values_the_darker_of_two_is_taken(tmp_path, suffix, weighted_first):
    b0, b1000 = make_pair()
    path = write(tmp_path, (b1000, b0) if weighted_first else (b0, b1000), suffix=suffix)
    np.testing.assert_array_equal(read_volume(path, "DWI").array, b1000)


def test_the_choice_is_told_and_the_geometry_is_that_of_space(tmp_path):
    path = write(tmp_path, make_pair(), "0 1000\n")
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(540, dtype=np.int16).reshape(SHAPE)), tmp_path / "adc.nii.gz")
    case = read_case(CaseFiles(path, tmp_path / "adc.nii.gz"))
    assert any("number 2 was taken, b 1000" in warning for warning in case.warnings)
    assert case.dwi.grid.shape == SHAPE
    assert case.dwi.grid.matches(case.adc.grid, 1e-5)


def test_b_values_decide_whatever_the_brightness(tmp_path):
    b0, b1000 = make_pair()
    volumes = (b0, b1000 // 2, b1000, b0 // 3)
    path = write(tmp_path, volumes, "0 2500 995 100")
    np.testing.assert_array_equal(read_volume(path, "DWI").array, b1000)


@pytest.mark.parametrize(
    ("b_values", "words"),
    [
        ("0 0 50", "no volume at b about 1000"),
        ("0 4000 3000", "no volume at b about 1000"),
        ("0 1000 990", "2 volumes at b 1000"),
        ("0 1000", "3 volumes and its .bval file 2"),
        ("0 b1000 2000", "cannot be read as numbers"),
        ("0 -5 1000", "no plausible b-values"),
        ("nan nan nan", "no plausible b-values"),
        ("", "no plausible b-values"),
    ],
)
def test_b_values_that_do_not_decide_are_refused(tmp_path, b_values, words):
    b0, b1000 = make_pair()
    path = write(tmp_path, (b0, b1000, b1000 // 2), b_values)
    with pytest.raises(InputRefused, match=words):
        read_volume(path, "DWI")


def test_what_cannot_be_told_apart_is_refused(tmp_path):
    b0, b1000 = make_pair()
    with pytest.raises(InputRefused, match="like brightness"):
        read_volume(write(tmp_path, (b0, (b0 * 0.9).astype(np.int16))), "DWI")
    with pytest.raises(InputRefused, match=r"no \.bval file says"):
        read_volume(write(tmp_path, (b0, b1000, b1000)), "DWI")
    with pytest.raises(InputRefused, match="like brightness"):
        choose_weighted(np.zeros((2, *SHAPE)), None)


def test_another_image_with_several_volumes_is_refused(tmp_path):
    with pytest.raises(InputRefused, match="ADC image holds 2 volumes"):
        read_volume(write(tmp_path, make_pair()), "ADC")


def test_real_tissue_is_told_apart(cases):
    """The b = 0 image is computed back from a real DWI and its ADC."""
    dwi, adc = (read_volume(cases / "isles22-0009" / f"{name}.nii.gz", name).array for name in ("dwi", "adc"))
    b0 = dwi * np.exp(np.clip(adc, 0, 3.5))
    assert choose_weighted(np.stack([b0, dwi]), None)[0] == 1
    assert choose_weighted(np.stack([dwi, b0]), None)[0] == 0


def test_no_file_no_b_values(tmp_path):
    assert read_b_values(tmp_path / "dwi.nii.gz") is None
