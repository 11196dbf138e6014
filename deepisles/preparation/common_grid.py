"""DWI and ADC on one grid: the DWI's."""

from __future__ import annotations

import SimpleITK as sitk

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.volume import Grid, Volume, share_inside
from deepisles.errors import GeometryError

SAME_GRID_TOLERANCE_MM = 1e-2
"""Grids whose voxel centres lie this close together are one grid: real pairs differ by rounding (about 1e-7 mm),
and a hundredth of a millimetre moves no voxel by 1 % of the smallest spacing in use (0.5 mm being rare)."""
LEAST_OVERLAP = 0.5
"""Least share of the DWI's field of view that an image must cover to be used with it."""


def bring_adc_to_dwi(dwi: Volume, adc: Volume) -> tuple[Volume, str | None]:
    """Put the ADC on the DWI's grid.

    Parameters
    ----------
    dwi, adc : Volume
        Arrays (z, y, x), each on its own grid.

    Returns
    -------
    Volume
        The ADC's voxels as they are where the grids agree, else resampled linearly in physical space
        (float32, 0 outside).
    str or None
        A warning where the ADC was resampled.

    Raises
    ------
    GeometryError
        If the ADC covers less than half of the DWI's field of view.
    """
    if adc.grid.matches(dwi.grid, SAME_GRID_TOLERANCE_MM):
        return Volume(adc.array, dwi.grid), None
    require_overlap(dwi.grid, adc.grid, "ADC")
    return resample_onto(dwi, adc), "the ADC map lies on another grid than the DWI and was resampled onto it"


def resample_onto(dwi: Volume, other: Volume) -> Volume:
    """Bring an image onto the DWI's grid by the headers: linearly, float32, 0 outside."""
    image = sitk.Resample(to_image(other), to_image(dwi), sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return Volume(to_volume(image).array, dwi.grid)


def shrink(volume: Volume, step_mm: float) -> sitk.Image:
    """Average blocks of voxels, so that they are about `step_mm` wide; float32."""
    factors = [max(1, round(step_mm / spacing)) for spacing in volume.grid.spacing_mm]
    return sitk.BinShrink(sitk.Cast(to_image(volume), sitk.sitkFloat32), factors)


def require_overlap(dwi: Grid, other: Grid, role: str) -> None:
    """Refuse an image whose field of view misses most of the DWI's.

    Raises
    ------
    GeometryError
        If less than `LEAST_OVERLAP` of the DWI's voxels lie inside the other image.
    """
    share = share_inside(dwi, other)
    if share < LEAST_OVERLAP:
        raise GeometryError(
            f"The {role} image covers only {share:.0%} of the DWI's field of view: "
            f"check that both come from the same examination and that their headers are right."
        )
