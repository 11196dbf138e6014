"""From a case as read to what the members take, FLAIR aside."""

from __future__ import annotations

from dataclasses import replace

from deepisles.case.case import Case
from deepisles.preparation.common_grid import bring_adc_to_dwi
from deepisles.preparation.isotropic import resample_to_isotropic
from deepisles.preparation.prepared import PreparedCase


def share_grid(case: Case) -> Case:
    """Bring the ADC onto the DWI's grid, with a warning where that changes it.

    Raises
    ------
    GeometryError
        If DWI and ADC hardly overlap.
    """
    adc, warning = bring_adc_to_dwi(case.dwi, case.adc)
    return replace(case, adc=adc, warnings=(*case.warnings, *([warning] if warning else [])))


def prepare_diffusion(case: Case, *, with_isotropic: bool = True) -> PreparedCase:
    """Make the 1 mm versions of DWI and ADC, where a member wants them.

    Parameters
    ----------
    case : Case
        The ADC on the DWI's grid.
    with_isotropic : bool
        Whether a member wants them.

    Returns
    -------
    PreparedCase
        Without FLAIR: that is registered beside the first members (see `deepisles.preparation.registration`).
    """
    return PreparedCase(case.dwi, case.adc, resample_to_isotropic(case.dwi, case.adc) if with_isotropic else None)
