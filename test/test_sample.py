"""The sample case: generated again voxel for voxel, and like what it stands for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_dilation

from deepisles.case.itk_images import to_volume
from deepisles.case.volume import Volume, share_inside
from deepisles.findings.adc_unit import AdcUnit, recognise_adc_unit
from deepisles.findings.lesions import label_lesions
from deepisles.resources import resource_path

NAMES = ("dwi", "adc", "flair", "lesions")
TOOL = Path(__file__).resolve().parent.parent / "tools" / "make_sample.py"
FLUID_ADC = 1.3


@pytest.fixture(scope="module")
def sample() -> dict[str, Volume]:
    return {name: to_volume(sitk.ReadImage(str(resource_path("sample", f"{name}.mha")))) for name in NAMES}


def test_the_generator_gives_the_committed_files(sample: dict[str, Volume], tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(TOOL), str(tmp_path)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.mha" for name in NAMES)
    for name, volume in sample.items():
        again = to_volume(sitk.ReadImage(str(tmp_path / f"{name}.mha")))
        assert again.array.dtype == volume.array.dtype
        np.testing.assert_array_equal(again.array, volume.array, err_msg=name)
        assert again.grid.matches(volume.grid, tolerance_mm=1e-9)


def test_the_files_are_small() -> None:
    assert sum(resource_path("sample", f"{name}.mha").stat().st_size for name in NAMES) < 1.5e6


def test_geometry_is_that_of_a_clinical_case(sample: dict[str, Volume]) -> None:
    dwi, flair = sample["dwi"].grid, sample["flair"].grid
    assert sample["adc"].grid == dwi
    assert sample["lesions"].grid == dwi
    assert dwi.spacing_mm == (2.0, 2.0, 3.0)
    direction = np.array(dwi.direction).reshape(3, 3)
    assert np.linalg.det(direction) == pytest.approx(-1), "left, front, up: left-handed, as ISLES'22"
    assert np.all(np.degrees(np.arccos(np.abs(np.diag(direction)))) > 10), "oblique about two axes"
    assert flair.spacing_mm == (0.9, 0.9, 5.0)
    assert not np.allclose(flair.direction, dwi.direction, atol=0.01)
    assert share_inside(dwi, flair) > 0.8


def test_it_is_stripped_and_of_a_brains_size(sample: dict[str, Volume]) -> None:
    inside = sample["dwi"].array > 0
    assert not inside[[0, -1]].any()
    assert not inside[:, [0, -1]].any()
    assert not inside[:, :, [0, -1]].any()
    np.testing.assert_array_equal(sample["adc"].array > 0, inside)
    assert 1100 < inside.sum() * sample["dwi"].grid.voxel_volume_ml < 1500
    flair_ml = (sample["flair"].array > 0).sum() * sample["flair"].grid.voxel_volume_ml
    assert flair_ml == pytest.approx(inside.sum() * sample["dwi"].grid.voxel_volume_ml, rel=0.02)


def test_two_lesions_one_on_each_side(sample: dict[str, Volume]) -> None:
    truth = sample["lesions"]
    assert truth.array.dtype == np.uint8
    labels = label_lesions(truth.array)
    assert labels.max() == 2
    volumes = [(labels == i).sum() * truth.grid.voxel_volume_ml for i in (1, 2)]
    assert volumes == pytest.approx([8, 1], rel=0.25)
    left, right = (truth.grid.to_physical_mm(np.argwhere(labels == i)).mean(axis=0)[0] for i in (1, 2))
    assert left > 25
    assert right < -10


def test_lesions_look_acute(sample: dict[str, Volume]) -> None:
    dwi, adc = sample["dwi"].array, sample["adc"].array
    tissue = (dwi > 0) & (adc < FLUID_ADC)
    assert recognise_adc_unit(adc) is AdcUnit.MM2_S_1E3
    assert 0.75 < np.median(adc[tissue]) < 0.9
    assert 2.5 < np.percentile(adc[dwi > 0], 99) < 3.5
    labels = label_lesions(sample["lesions"].array)
    for label in (1, 2):
        lesion = labels == label
        around = binary_dilation(lesion, iterations=5) & ~binary_dilation(labels > 0, iterations=2) & tissue
        assert 1.7 < np.median(dwi[lesion]) / np.median(dwi[around]) < 2.2
        assert 0.55 < np.median(adc[lesion]) / np.median(adc[around]) < 0.7


def test_lesions_are_bright_and_fluid_is_dark_on_flair(sample: dict[str, Volume]) -> None:
    fixed = sitk.ReadImage(str(resource_path("sample", "dwi.mha")))
    moving = sitk.ReadImage(str(resource_path("sample", "flair.mha")))
    flair = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, sitk.Transform(), sitk.sitkLinear, 0.0))
    adc, lesion = sample["adc"].array, sample["lesions"].array > 0
    tissue = (adc > 0) & (adc < FLUID_ADC) & ~binary_dilation(lesion, iterations=2)
    assert 1.2 < np.median(flair[lesion]) / np.median(flair[tissue]) < 1.5
    assert np.median(flair[adc > 2.7]) < 0.5 * np.median(flair[tissue])
