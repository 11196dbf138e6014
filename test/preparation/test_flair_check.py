"""A FLAIR is compared with DWI and ADC before registration can bend it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from heads import lay_on_middle

from deepisles.case.case import Case
from deepisles.case.reading import read_volume
from deepisles.case.volume import Volume
from deepisles.preparation.flair_check import check_flair
from deepisles.resources import resource_path

REAL = ("isles22-0009", "thick-slices")


@pytest.fixture(scope="module")
def real(cases):
    return {
        name: Case(*(read_volume(cases / name / f"{role}.nii.gz", role) for role in ("dwi", "adc", "flair")))
        for name in REAL
    }


def move(volume, shift_mm):
    origin = tuple(float(value) for value in np.add(volume.grid.origin_mm, shift_mm))
    return Volume(volume.array, replace(volume.grid, origin_mm=origin, stored_affine=None))


def test_the_samples_flair_fits():
    sample = Case(*(read_volume(resource_path("sample", f"{name}.mha"), name) for name in ("dwi", "adc", "flair")))
    assert check_flair(sample) == ()
    assert check_flair(replace(sample, flair=None)) == ()


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("shift_mm", [(0, 0, 0), (5, 6, -5)])
def test_a_real_flair_fits_even_where_its_header_is_9_mm_off(real, name, shift_mm):
    assert check_flair(replace(real[name], flair=move(real[name].flair, shift_mm))) == ()


@pytest.mark.parametrize(("one", "other"), [REAL, REAL[::-1]])
def test_another_patients_flair_is_warned_about(real, one, other):
    foreign = replace(real[one], flair=lay_on_middle(real[other].flair, real[one].dwi))
    (warning,) = check_flair(foreign)
    assert "hardly fits the DWI" in warning


def test_a_t1w_given_as_flair_is_warned_about(real):
    """White matter is bright and fluid dark: tissue by tissue what a T1w of this very brain would show."""
    case = real["isles22-0009"]
    dwi, adc = case.dwi.array.astype(np.float64), case.adc.array
    brain = dwi > 0
    t1w = np.where(brain, 1000 * np.exp(-np.clip(adc, 0, 3) / 1.5) / np.clip(dwi / np.median(dwi[brain]), 0.5, 2), 0)
    (warning,) = check_flair(replace(case, flair=case.dwi.with_array(t1w)))
    assert "T1-weighted" in warning
