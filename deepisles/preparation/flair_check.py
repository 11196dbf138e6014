"""Whether a FLAIR is of the DWI's examination.

Registration by B-splines cannot tell: it bends another patient's FLAIR until fluid lies on fluid. So this looks before
it: where the headers lay the FLAIR, and where that does not fit, where a rigid movement can lay it at best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from deepisles.case.case import Case
from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.volume import Volume
from deepisles.findings.adc_unit import recognise_adc_unit
from deepisles.preparation.coarse import CoarseVolume
from deepisles.preparation.common_grid import shrink
from deepisles.preparation.diffusion_check import STEP_MM, look_inside, relate, take_details
from deepisles.preparation.rigid_motion import Climb, find_rigid_motion

FITS = -0.3
"""Correlation of a FLAIR's details with the ADC's below which it fits. Measured: own FLAIRs, laid on by their headers
or rigidly, -0.84 to -0.33; other patients', laid on rigidly, -0.24 to -0.02."""
TISSUE_1E6_MM2_S = (400.0, 1200.0)
"""ADC of brain tissue: no fluid, and little that shares a voxel with fluid."""
T1_WEIGHTED = 0.1
"""Correlation of a FLAIR's details with the DWI's, in tissue, below which it looks like a T1w: grey matter is brighter
than white on FLAIR and DWI, and darker on a T1w. Measured: FLAIRs 0.20 to 0.77, a T1w -0.06."""

CLIMB = Climb(levels=((3, 4.0), (2, 2.0)), sampled_share=0.1, first_step_mm=2.0, last_step_mm=0.02, most_steps=60)
"""At about 6 and 4 mm, which is near enough to tell patients apart."""


@dataclass(frozen=True)
class Fit:
    """How a FLAIR lies on DWI and ADC.

    Parameters
    ----------
    with_adc : float
        Correlation of its details with the ADC's: fluid is dark on FLAIR, so that it is negative.
    with_dwi : float
        Correlation of its details with the DWI's, in tissue.
    """

    with_adc: float
    with_dwi: float


def check_flair(case: Case) -> tuple[str, ...]:
    """Compare a case's FLAIR, if there is one, with DWI and ADC.

    Parameters
    ----------
    case : Case
        DWI and ADC on one grid, FLAIR on its own; the brain alone (a head, left so by request, is let pass).

    Returns
    -------
    tuple of str
        Warnings.
    """
    looked = look_inside(case.dwi)
    if case.flair is None or looked is None:
        return ()
    dwi, inside = looked
    adc_1e6_mm2_s = dwi.look_at(case.adc.array) * recognise_adc_unit(case.adc.array).to_1e6_mm2_s
    fit = measure_fit(dwi, adc_1e6_mm2_s, inside, lay_on(case.dwi, case.flair, sitk.Transform()))
    if fit.with_adc > FITS or fit.with_dwi < T1_WEIGHTED:
        movement = find_rigid(case.dwi, case.flair)
        fit = measure_fit(dwi, adc_1e6_mm2_s, inside, lay_on(case.dwi, case.flair, movement))
    if fit.with_adc > FITS:
        return ("the FLAIR hardly fits the DWI: check that both are of the same examination, or leave the FLAIR out",)
    if fit.with_dwi < T1_WEIGHTED:
        return ("the FLAIR looks T1-weighted: check that it is a FLAIR, or leave it out",)
    return ()


def measure_fit(dwi: CoarseVolume, adc_1e6_mm2_s: NDArray[Any], inside: NDArray[np.bool_], flair: Volume) -> Fit:
    """Correlate the details of a FLAIR on the DWI's grid with those of ADC and DWI; arrays (z, y, x), coarse."""
    seen = dwi.look_at(flair.array).astype(np.float64)
    where = inside & (seen > 0)
    low, high = TISSUE_1E6_MM2_S
    tissue = where & (adc_1e6_mm2_s > low) & (adc_1e6_mm2_s < high)
    with_dwi = 0.0
    if tissue.sum() > inside.sum() / 4:
        details = [take_details(image, tissue, dwi.spacing_mm) for image in (seen, dwi.distance)]
        with_dwi = float(np.corrcoef(np.stack(details))[0, 1])
    return Fit(relate(seen, adc_1e6_mm2_s, where, dwi.spacing_mm), with_dwi)


def lay_on(dwi: Volume, flair: Volume, movement: sitk.Transform) -> Volume:
    """Resample a FLAIR linearly onto the DWI's grid (float32, 0 outside), after a movement."""
    return to_volume(sitk.Resample(to_image(flair), to_image(dwi), movement, sitk.sitkLinear, 0.0, sitk.sitkFloat32))


def find_rigid(dwi: Volume, flair: Volume) -> sitk.Transform:
    """Find the rigid movement that lays a FLAIR on the DWI, from where their centres of mass meet."""
    fixed, moving = (shrink(volume, STEP_MM) for volume in (dwi, flair))
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    return find_rigid_motion(fixed, moving, sitk.Euler3DTransform(start), CLIMB)
