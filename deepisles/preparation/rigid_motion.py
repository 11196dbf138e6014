"""The rotations and shifts that lay one image on another, by mutual information."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

BINS = 32
"""Of the joint histogram (Mattes et al. 2003 take 20 to 50)."""
SEED = 1
"""Regular samples are shaken within their voxels, by default as the clock says; now the same images give the same."""


@dataclass(frozen=True)
class Climb:
    """How mutual information is climbed.

    Parameters
    ----------
    levels : tuple
        Shrink factor and Gaussian smoothing in mm, coarse to fine.
    sampled_share : float
        Share of the fixed image's voxels that are compared.
    first_step_mm, last_step_mm : float
        Longest and shortest step.
    most_steps : int
        Per level.
    """

    levels: tuple[tuple[int, float], ...]
    sampled_share: float
    first_step_mm: float
    last_step_mm: float
    most_steps: int


def find_rigid_motion(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.Euler3DTransform, climb: Climb
) -> sitk.Transform:
    """Find the rigid motion from the fixed image's space to the moving one's (Mattes et al. 2003, as SimpleITK has it).

    Parameters
    ----------
    fixed, moving : SimpleITK.Image
        float32.
    start : SimpleITK.Euler3DTransform
        Where to begin; its centre is turned around.
    climb : Climb
        How.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(climb.sampled_share, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(climb.first_step_mm, climb.last_step_mm, climb.most_steps)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in climb.levels])
    method.SetSmoothingSigmasPerLevel([sigma_mm for _, sigma_mm in climb.levels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start)
    return method.Execute(fixed, moving)
