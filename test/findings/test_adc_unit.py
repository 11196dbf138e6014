"""The unit of an ADC map."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from deepisles.findings.adc_unit import AdcUnit, recognise_adc_unit


@given(st.floats(300, 3000), st.sampled_from(list(AdcUnit)))
def test_any_brain_is_recognised_in_any_unit(adc_1e6_mm2_s, unit):
    array = np.full((3, 3, 3), adc_1e6_mm2_s / unit.to_1e6_mm2_s)
    array[0] = 0
    assert recognise_adc_unit(array) is unit


@pytest.mark.parametrize(
    ("case", "unit"),
    [("isles22-0009", AdcUnit.MM2_S_1E3), ("thick-slices", AdcUnit.MM2_S_1E6), ("soop-sub3", AdcUnit.MM2_S_1E6)],
)
def test_the_real_cases_units(cases, case, unit):
    assert recognise_adc_unit(sitk.GetArrayFromImage(sitk.ReadImage(cases / case / "adc.nii.gz"))) is unit
