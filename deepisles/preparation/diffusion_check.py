"""Whether DWI and ADC are what they are called, and of one examination.

An ADC map is computed from the DWI (ADC = ln(S0/Sb)/b; Stejskal and Tanner 1965), so that finely the one falls where
the other rises, voxel by voxel: no other pair of images of a head does that. Fluid diffuses four times as fast as
tissue, so that an ADC map's values tail off upward, and a DWI's do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from deepisles.case.case import Case
from deepisles.case.volume import Volume
from deepisles.errors import GeometryError, InputRefused
from deepisles.findings.adc_unit import recognise_adc_unit
from deepisles.preparation.brain_detection import is_brain_alone
from deepisles.preparation.coarse import CoarseVolume

STEP_MM = 2.0
"""Fine enough to see single sulci."""
DEPTH_MM = 5.0
"""What lies nearer to the surface is left out: there every two images of a head agree."""
DETAIL_MM = 8.0
"""Deviation of the Gaussian that is subtracted: coils shade a DWI more coarsely, and an ADC map not at all."""
FINE_DETAIL_MM = 3.0
"""Leaves noise and the edges of fluid alone. Grey matter may be brighter than white on DWI and ADC both, and outweigh
what a clean image with narrow sulci has else; but a shift by two millimetres spoils only what is fine."""
MOST_ADC_1E6_MM2_S = 2500.0
"""Fluid is cut off here: it varies with flow and noise."""
LEAST_INSIDE_ML = 100.0
"""Of less brain, its rim left out, nothing is said."""

UNRELATED = -0.1
"""Correlation of the details above which the images do not belong together. Measured: real pairs -0.84 to -0.59,
258 synthetic ones up to -0.14 and one +0.10; another patient's ADC or a T1w in either place -0.06 to +0.05."""
FINELY_UNRELATED = -0.05
"""Likewise of the fine details; only images that are unrelated in both ways are refused. Measured: two real pairs -0.66
and -0.58; of 64 synthetic ones, with the least related of those above, 63 up to -0.23 and the one -0.06. Real ADC maps
of another patient -0.01 and 0, synthetic ones, whose brains are much alike, -0.11 to +0.02."""
HARDLY_RELATED = -0.3
"""Correlation above which a person should look."""
MIRRORED_BY = 0.15
"""By how much a mirrored ADC must fit better to be called so. Measured: right pairs, mirrored, fit worse by 0.25 to
0.7."""
SKEW_SHARE = 1.2
"""How much further the DWI's values must tail off upward than the ADC's to call them swapped. Measured, as the 97th
percentile's distance from the median over the 3rd's: ADC 2.8 to 20, DWI 0.3 to 1.5."""
FLUID_1E6_MM2_S = 2000.0
"""What the 99th percentile of an ADC map passes in its fluid. Measured on synthetic and two real cases: 2120 to 4000; a
DWI taken for an ADC map 180 to 1880 in all but a few of 87, once 2980. A large, bright infarct makes a DWI tail off as
an ADC map does, but leaves the fluid as it is."""
ADC_RANGE_1E6_MM2_S = (400.0, 1800.0)
"""Median over the brain. Measured: 790 to 1000; up to 1300 with wide ventricles."""
PLANES = {0: "upside down", 1: "front to back", 2: "left to right"}
"""What mirroring an axis (z, y, x) of an axial image does."""


def check_diffusion(case: Case) -> tuple[str, ...]:
    """Compare DWI and ADC.

    Parameters
    ----------
    case : Case
        The ADC on the DWI's grid; the brain alone. A head, left so by request, is let pass: fat and air are in neither
        what they are in a brain.

    Returns
    -------
    tuple of str
        Warnings.

    Raises
    ------
    InputRefused
        If the two are swapped, the ADC is no ADC map, or they are not of one examination.
    GeometryError
        If the ADC is mirrored.
    """
    looked = look_inside(case.dwi)
    if looked is None:
        return ()
    dwi, inside = looked
    values = dwi.look_at(case.adc.array).astype(np.float64)
    adc_1e6_mm2_s = values * recognise_adc_unit(case.adc.array).to_1e6_mm2_s
    tails_off = measure_skew(dwi.distance[inside]) > SKEW_SHARE * measure_skew(adc_1e6_mm2_s[inside])
    if tails_off and not shows_fluid(adc_1e6_mm2_s[inside]):
        raise InputRefused("The DWI looks like an ADC map, or the ADC like a DWI: check whether the two are swapped.")
    relation = relate(dwi.distance, adc_1e6_mm2_s, inside, dwi.spacing_mm)
    for axis, plane in PLANES.items():
        mirrored = relate(dwi.distance, np.flip(adc_1e6_mm2_s, axis), inside, dwi.spacing_mm)
        if mirrored < min(relation - MIRRORED_BY, HARDLY_RELATED):
            raise GeometryError(
                f"The ADC map lies mirrored on the DWI ({plane} along the voxels): export both again from one source."
            )
    if (
        relation > UNRELATED
        and relate(dwi.distance, adc_1e6_mm2_s, inside, dwi.spacing_mm, FINE_DETAIL_MM) > FINELY_UNRELATED
    ):
        raise InputRefused(
            "DWI and ADC do not belong together: give the trace image at b about 1000 and the ADC map of the same "
            "examination."
        )
    low, high = ADC_RANGE_1E6_MM2_S
    median = float(np.median(adc_1e6_mm2_s[inside]))
    if not low < median < high:
        raise InputRefused(
            f"The ADC map's median in the brain is {median:.0f}e-6 mm2/s where {low:.0f} to {high:.0f} are plausible: "
            "check that it is an ADC map, and its scaling."
        )
    if relation > HARDLY_RELATED:
        return ("DWI and ADC hardly fit together: check that both are of the same examination",)
    return ()


def shows_fluid(adc_1e6_mm2_s: NDArray[np.float64]) -> bool:
    """Tell whether values inside a brain are those of tissue with fluid between, as an ADC map's are."""
    low, high = ADC_RANGE_1E6_MM2_S
    median, highest = np.percentile(adc_1e6_mm2_s, (50, 99))
    return bool(low < median < high and highest > FLUID_1E6_MM2_S)


def look_inside(dwi: Volume) -> tuple[CoarseVolume, NDArray[np.bool_]] | None:
    """Look at a DWI every 2 mm, and find the brain without its rim.

    Returns
    -------
    CoarseVolume
        What is seen.
    numpy.ndarray
        bool (z, y, x): where the brain is, its rim left out.
    None
        Instead, where the DWI shows a head, or too little brain to compare anything.
    """
    if not is_brain_alone(CoarseVolume(dwi)):
        return None
    seen = CoarseVolume(dwi, STEP_MM)
    filled = ndimage.binary_fill_holes(seen.signal)
    inside = ndimage.distance_transform_edt(filled, sampling=seen.spacing_mm) > DEPTH_MM
    return None if inside.sum() * seen.voxel_ml < LEAST_INSIDE_ML else (seen, inside)


def relate(
    dwi: NDArray[Any],
    adc_1e6_mm2_s: NDArray[Any],
    inside: NDArray[np.bool_],
    spacing_mm: tuple[float, ...],
    detail_mm: float = DETAIL_MM,
) -> float:
    """Correlate the details of ln(DWI) with those of the ADC.

    Parameters
    ----------
    dwi, adc_1e6_mm2_s : numpy.ndarray
        (z, y, x).
    inside : numpy.ndarray
        bool (z, y, x): where to look.
    spacing_mm : tuple of float
        Along (z, y, x).
    detail_mm : float
        Deviation of the Gaussian whose mean is subtracted.

    Returns
    -------
    float
        Pearson's coefficient: near -1 for a DWI and its own ADC map; 0 where the ADC is empty in half of the brain.
    """
    where = inside & (adc_1e6_mm2_s > 0)
    if where.sum() < inside.sum() / 2:
        return 0.0
    # a hundredth of the brain's signal is noise
    logarithm = np.log(np.maximum(dwi, 0.01 * np.median(dwi[where])))
    details = [
        take_details(image, where, spacing_mm, detail_mm)
        for image in (logarithm, np.minimum(adc_1e6_mm2_s, MOST_ADC_1E6_MM2_S))
    ]
    if not all(np.ptp(each) > 0 for each in details):
        return 0.0
    return float(np.corrcoef(np.stack(details))[0, 1])


def measure_skew(values: NDArray[Any]) -> float:
    """Compare how far values tail off upward with how far downward (percentiles 97 and 3 from the median)."""
    low, middle, high = np.percentile(values, (3, 50, 97))
    return float((high - middle) / max(middle - low, 1e-3 * abs(middle), 1e-12))


def take_details(
    image: NDArray[Any], where: NDArray[np.bool_], spacing_mm: tuple[float, ...], detail_mm: float = DETAIL_MM
) -> NDArray[Any]:
    """Subtract a Gaussian mean over the voxels looked at; values at those voxels (n,)."""
    deviation = [detail_mm / spacing for spacing in spacing_mm]
    weight = ndimage.gaussian_filter(where.astype(np.float64), deviation)
    mean = ndimage.gaussian_filter(np.where(where, image, 0.0), deviation) / np.maximum(weight, 1e-3)
    return np.asarray((image - mean)[where])
