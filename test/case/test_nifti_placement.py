"""NIfTI says twice where an image lies; what is done when the two differ."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from image_files import make_array, write_case
from scipy.spatial.transform import Rotation

from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_case, read_volume


def make_affine(angle_deg):
    affine = np.diag([2.0, 2, 5, 1])
    affine[:3, :3] = Rotation.from_euler("x", angle_deg, degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = 10, -20, 30
    return affine


def write_nifti(path, qform, qform_code, sform, sform_code):
    image = nibabel.Nifti1Image(make_array(seed=9).T, None)
    image.header.set_zooms((2, 2, 5))
    image.set_qform(qform, qform_code)
    image.set_sform(sform, sform_code)
    nibabel.save(image, path)
    return path


def read_warnings(folder, **placement):
    write_case(folder)
    dwi = write_nifti(folder / "placed.nii.gz", **placement)
    return read_case(CaseFiles(dwi, folder / "adc.nii.gz")).warnings


@pytest.mark.parametrize(("qform_code", "sform_code"), [(1, 0), (0, 1), (1, 1), (2, 1), (0, 2)])
def test_one_placement_is_no_cause_for_a_warning(tmp_path, qform_code, sform_code):
    affine = make_affine(20)
    codes = {"qform_code": qform_code, "sform_code": sform_code}
    assert read_warnings(tmp_path, qform=affine, sform=affine, **codes) == ()


def test_two_placements_are_warned_of(tmp_path):
    (warning,) = read_warnings(tmp_path, qform=make_affine(20), qform_code=1, sform=make_affine(30), sform_code=1)
    assert warning.startswith("The DWI image's header places it twice (sform and qform), up to ")


def test_rounding_between_two_placements_is_not_warned_of(tmp_path):
    placement = {"qform": make_affine(20), "qform_code": 1, "sform": make_affine(20.05), "sform_code": 1}
    assert read_warnings(tmp_path, **placement) == ()


def test_no_placement_is_warned_of(tmp_path):
    (warning,) = read_warnings(tmp_path, qform=make_affine(0), qform_code=0, sform=make_affine(0), sform_code=0)
    assert "left and right may be swapped" in warning


def test_stored_affine_never_contradicts_the_grid(tmp_path):
    # here ITK takes the qform and nibabel the sform
    path = write_nifti(tmp_path / "a.nii", make_affine(20), 1, make_affine(30), 2)
    grid = read_volume(path, "DWI").grid
    assert grid.stored_affine is None
    np.testing.assert_allclose(grid.affine_ras, make_affine(20), atol=1e-5)
