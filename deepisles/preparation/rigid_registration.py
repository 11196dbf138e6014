"""FLAIR onto the DWI's grid by turning and moving it alone: a second of work, where Elastix bends it for a minute."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.volume import Volume
from deepisles.errors import MemberFailed
from deepisles.preparation.common_grid import require_overlap

STEP_MM = 3.0
"""Voxels that are compared are averaged to about this size; on the real cases 2 to 4 mm give the same mutual
information to 0.001 (docs/performance.md)."""
BINS = 32
"""Of the joint histogram (Mattes et al. 2003 take 20 to 50)."""
SAMPLED_SHARE = 0.5
LEVELS = ((4, 8.0), (2, 4.0), (1, 0.0))
"""Shrink factor and Gaussian smoothing in mm, coarse to fine."""
FIRST_STEP_MM, LAST_STEP_MM, MOST_STEPS = 1.0, 1e-3, 100
STEP_RELAXATION, FLAT_GRADIENT = 0.5, 1e-4


def register_rigidly(dwi: Volume, flair: Volume) -> Volume:
    """Lay the FLAIR on the DWI's grid by three rotations and three shifts, from where the headers place it.

    Mutual information (Mattes et al. 2003, as SimpleITK has it) is climbed on one thread, so that the same images give
    the same result. The FLAIR is resampled once by cubic B-splines, 0 outside, as after Elastix.

    Parameters
    ----------
    dwi, flair : Volume
        Fixed and moving image, arrays (z, y, x), each on its own grid.

    Returns
    -------
    Volume
        float32 (z, y, x), on the DWI's grid.

    Raises
    ------
    GeometryError
        If the FLAIR covers less than half of the DWI's field of view.
    MemberFailed
        If the two cannot be compared.
    """
    require_overlap(dwi.grid, flair.grid, "FLAIR")
    fixed, moving = (sitk.Cast(to_image(volume), sitk.sitkFloat32) for volume in (dwi, flair))
    transform = sitk.Euler3DTransform()
    transform.SetCenter(fixed.TransformContinuousIndexToPhysicalPoint([(side - 1) / 2 for side in fixed.GetSize()]))
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED_SHARE, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        FIRST_STEP_MM, LAST_STEP_MM, MOST_STEPS, STEP_RELAXATION, FLAT_GRADIENT
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in LEVELS])
    method.SetSmoothingSigmasPerLevel([sigma_mm for _, sigma_mm in LEVELS])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(_average(fixed), _average(moving))
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or ["no message"])[-1]
        raise MemberFailed(
            f"Registering FLAIR to DWI failed ({reason}): check that both show the same head, or leave the FLAIR out."
        ) from error
    resample = sitk.ResampleImageFilter()
    resample.SetNumberOfThreads(1)
    resample.SetReferenceImage(fixed)
    resample.SetTransform(transform)
    resample.SetInterpolator(sitk.sitkBSpline)
    return Volume(np.asarray(to_volume(resample.Execute(moving)).array, dtype=np.float32), dwi.grid)


def _average(image: sitk.Image) -> sitk.Image:
    sides = zip(image.GetSpacing(), image.GetSize(), strict=True)
    return sitk.BinShrink(image, [max(1, min(round(STEP_MM / mm), side // 4)) for mm, side in sides])
