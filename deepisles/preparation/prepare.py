"""From a case as read to what the members take, FLAIR aside."""

from __future__ import annotations

from deepisles.case.case import Case
from deepisles.preparation.common_grid import bring_adc_to_dwi
from deepisles.preparation.isotropic import resample_to_isotropic
from deepisles.preparation.prepared import PreparedCase


def prepare_diffusion(case: Case) -> tuple[PreparedCase, tuple[str, ...]]:
    """Bring DWI and ADC onto one grid, and make their 1 mm versions.

    Returns
    -------
    PreparedCase
        Without FLAIR: that is registered beside the first members (see `deepisles.preparation.registration`).
    tuple of str
        Warnings.

    Raises
    ------
    GeometryError
        If DWI and ADC hardly overlap.
    """
    adc, warning = bring_adc_to_dwi(case.dwi, case.adc)
    prepared = PreparedCase(case.dwi, adc, resample_to_isotropic(case.dwi, adc))
    return prepared, (warning,) if warning else ()
