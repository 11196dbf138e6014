"""The 1 mm images that SEALS takes."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import SimpleITK as sitk
from volumes import make_volume

from deepisles.case.itk_images import to_volume
from deepisles.preparation.isotropic import isotropic_size, resample_to_isotropic


def digest(array):
    return hashlib.md5(np.ascontiguousarray(array, dtype=np.float32).tobytes(), usedforsecurity=False).hexdigest()


def test_the_golden_case_is_bit_equal(golden, cases):
    folder = cases / "isles22-0009"
    dwi, adc = (to_volume(sitk.ReadImage(folder / f"{name}.nii.gz")) for name in ("dwi", "adc"))
    images = resample_to_isotropic(dwi, dwi.with_array(adc.array))
    told = json.loads((golden / "expected" / "seals" / "isles22-0009" / "intermediates.json").read_text())
    assert [digest(images.dwi.array), digest(images.adc.array)] == [i["md5_float32"] for i in told["images_1mm"]]


def test_an_integer_dwi_is_truncated_toward_zero():
    dwi = make_volume((4, 4, 4), dtype=np.int16, spacing_mm=(2, 2, 2))
    dwi.array[...] = np.array([-3, 0, 5, 10], np.int16)
    whole = resample_to_isotropic(dwi, dwi).dwi.array
    exact = resample_to_isotropic(dwi.with_array(dwi.array.astype(np.float64)), dwi).dwi.array
    assert whole.dtype == np.int16
    inner = np.s_[1:6, 1:6, 1:6]
    np.testing.assert_array_equal(whole[inner], np.trunc(exact[inner]))
    assert (whole[inner] != exact[inner]).any()


@pytest.mark.parametrize(("voxels", "spacing_mm"), [(128, 2.0), (256, 1.0), (256, 1.015625), (132, 2.0)])
def test_a_field_of_view_of_256_mm_and_more_works(voxels, spacing_mm):
    dwi = make_volume((3, 4, voxels), spacing_mm=(spacing_mm, 1.0, 1.0))
    assert resample_to_isotropic(dwi, dwi).dwi.grid.shape[2] == int(voxels * spacing_mm)


def test_the_size_is_truncated_in_the_originals_order():
    assert isotropic_size(192, 1.1979166) == 229
