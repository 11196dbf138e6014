"""FLAIR on the DWI's grid."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter
from volumes import make_volume

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.volume import Volume
from deepisles.errors import GeometryError, MemberFailed
from deepisles.preparation.registration import FlairRegistration, take_registered


def textured_head(shift_mm=0.0):
    """Make an ellipsoid of smooth random texture; a shift moves its header, not its voxels."""
    volume = make_volume(
        (24, 40, 40), spacing_mm=(3, 3, 4), origin_mm=(shift_mm - 60, -60, -48), rotation_deg=(5, -8, 10)
    )
    texture = gaussian_filter(np.random.default_rng(3).normal(size=volume.array.shape), 1.5)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in volume.array.shape), indexing="ij")
    head = (x**2 + y**2 + z**2 < 0.7) * (500 + 2000 * texture)
    return volume.with_array(head.astype(np.float32))


def test_registration_moves_flair_onto_the_dwi():
    dwi, flair = textured_head(), textured_head(shift_mm=9.0)
    with FlairRegistration(dwi, flair) as registration:
        result = registration.result()
    one_voxel_off = np.abs(np.roll(dwi.array, 1, axis=2) - dwi.array).mean()
    assert np.abs(result.array - dwi.array).mean() < 0.5 * one_voxel_off
    assert result.grid == dwi.grid
    assert result.array.dtype == np.float32


def test_leaving_early_ends_the_child():
    with FlairRegistration(textured_head(), textured_head()) as registration:
        pass
    assert not registration.child.is_running


def test_images_that_elastix_cannot_register_are_one_sentence():
    flat = textured_head().with_array(np.full((24, 40, 40), np.nan, np.float32))
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
