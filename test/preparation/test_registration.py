"""FLAIR on the DWI's grid."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from volumes import make_volume

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.volume import Volume
from deepisles.errors import GeometryError, MemberFailed
from deepisles.preparation.registration import FlairRegistration, take_registered


def blob_image(shift_mm=0.0):
    """Make a lopsided pair of blobs, moved along x."""
    volume = make_volume((24, 40, 40), spacing_mm=(3, 3, 4), origin_mm=(-60, -60, -48), rotation_deg=(5, -8, 10))
    z, y, x = np.moveaxis(
        volume.grid.to_physical_mm(np.stack(np.meshgrid(*map(np.arange, (24, 40, 40)), indexing="ij"), -1)), -1, 0
    )[::-1]
    x = x - shift_mm
    big = np.exp(-(x**2 / 800 + y**2 / 500 + z**2 / 400))
    small = 0.8 * np.exp(-((x - 20) ** 2 + (y + 15) ** 2 + (z - 5) ** 2) / 60)
    return volume.with_array((1000 * (big + small)).astype(np.float32))


def test_registration_moves_flair_onto_the_dwi():
    dwi, flair = blob_image(), blob_image(shift_mm=6.0)
    with FlairRegistration(dwi, flair) as registration:
        result = registration.result()
    before = np.abs(flair.array - dwi.array).mean()
    after = np.abs(result.array - dwi.array).mean()
    assert after < 0.2 * before
    assert result.grid == dwi.grid
    assert result.array.dtype == np.float32


def test_leaving_early_ends_the_child():
    with FlairRegistration(blob_image(), blob_image()) as registration:
        pass
    assert registration._child.poll() is not None


def test_images_that_elastix_cannot_register_are_one_sentence():
    flat = blob_image().with_array(np.full((24, 40, 40), np.nan, np.float32))
    with FlairRegistration(flat, flat) as registration, pytest.raises(MemberFailed, match="Registering FLAIR") as told:
        registration.result()
    assert "\n" not in str(told.value)


def test_a_registered_flair_is_taken_only_from_the_dwis_grid():
    dwi, flair = make_volume(), make_volume(seed=1, dtype=np.int16)
    assert take_registered(dwi.grid, flair).array.dtype == np.float32
    with pytest.raises(GeometryError, match="does not lie on the DWI's grid"):
        take_registered(dwi.grid, make_volume(spacing_mm=(1, 1, 1)))


def test_itk_images_keep_geometry_and_pixel_type():
    volume = make_volume(dtype=np.int16, rotation_deg=(10, 20, 30))
    back = to_volume(to_image(volume))
    assert back.array.dtype == np.int16
    assert back.grid.matches(volume.grid, 1e-9)
    assert isinstance(back, Volume)
    assert isinstance(to_image(volume), sitk.Image)
