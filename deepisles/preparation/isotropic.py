"""DWI and ADC at 1 mm, as SEALS wants them.

ITK's own arithmetic is part of the result: with a real scan's oblique direction matrix, background voxels beside the
brain come out as about 1e-13 instead of 0, and SEALS counts every voxel that is not 0 as brain. So this step stays with
SimpleITK and the image's own direction.
"""

from __future__ import annotations

import SimpleITK as sitk

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.volume import Volume
from deepisles.preparation.prepared import IsotropicImages

ISOTROPIC_SPACING_MM = (1.0, 1.0, 1.0)
"""The grid SEALS was trained on (DeepISLES, src/SEALS, Task500_Ischemic_Stroke_Test.py)."""


def resample_to_isotropic(dwi: Volume, adc: Volume) -> IsotropicImages:
    """Resample DWI to 1 mm on its own axes, and ADC onto that grid.

    Parameters
    ----------
    dwi, adc : Volume
        Arrays (z, y, x) on one grid.

    Returns
    -------
    IsotropicImages
        Linear interpolation, 0 outside. The DWI keeps its pixel type, so that an integer DWI is truncated toward zero
        as in the original; the ADC is float32. The original keeps the size in 8 bits and fails from 256 mm on; here
        it does not.
    """
    image = to_image(dwi)
    size = tuple(isotropic_size(n, spacing) for n, spacing in zip(image.GetSize(), image.GetSpacing(), strict=True))
    dwi_1mm = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear,
        image.GetOrigin(), ISOTROPIC_SPACING_MM, image.GetDirection(), 0.0, image.GetPixelID(),
    )  # fmt: skip
    adc_1mm = sitk.Resample(to_image(adc), dwi_1mm, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return IsotropicImages(to_volume(dwi_1mm), to_volume(adc_1mm))


def isotropic_size(voxels: int, spacing_mm: float) -> int:
    """Count the 1 mm voxels along an axis: ``voxels / (1 / spacing)``, truncated.

    The division is in the original's order: 192 x 1.1979166 mm gives 229, not 230.
    """
    return int(voxels / (1.0 / spacing_mm))
