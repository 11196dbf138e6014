"""Volumes as SimpleITK images and back, in memory."""

from __future__ import annotations

import SimpleITK as sitk

from deepisles.case.volume import Grid, Volume


def to_image(volume: Volume) -> sitk.Image:
    """Make a SimpleITK image of the same voxels, pixel type and geometry."""
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm)
    image.SetOrigin(volume.grid.origin_mm)
    image.SetDirection(volume.grid.direction)
    return image


def to_volume(image: sitk.Image) -> Volume:
    """Take the voxels and the geometry of a 3-D SimpleITK image."""
    array = sitk.GetArrayFromImage(image)
    grid = Grid(
        shape=(array.shape[0], array.shape[1], array.shape[2]),
        spacing_mm=tuple(image.GetSpacing()),
        origin_mm=tuple(image.GetOrigin()),
        direction=tuple(image.GetDirection()),
    )
    return Volume(array, grid)
