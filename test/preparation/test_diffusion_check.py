"""DWI and ADC are compared: what belongs together passes, the mistakes that people make are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from heads import lay_on_middle, make_adc, make_head
from scipy import ndimage

from deepisles.case.case import Case
from deepisles.case.reading import read_volume
from deepisles.errors import GeometryError, InputRefused
from deepisles.findings.adc_unit import recognise_adc_unit
from deepisles.preparation.diffusion_check import check_diffusion, look_inside, measure_skew, relate
from deepisles.resources import resource_path

REAL = ("isles22-0009", "thick-slices")


@pytest.fixture(scope="module")
def sample():
    return Case(*(read_volume(resource_path("sample", f"{name}.mha"), name) for name in ("dwi", "adc")))


@pytest.fixture(scope="module")
def real(cases):
    return {
        name: Case(*(read_volume(cases / name / f"{role}.nii.gz", role) for role in ("dwi", "adc"))) for name in REAL
    }


def mirror(case, axis):
    return replace(case, adc=case.adc.with_array(np.flip(case.adc.array, axis)))


def test_what_belongs_together_passes(sample):
    assert check_diffusion(sample) == ()


@pytest.mark.parametrize("name", REAL)
def test_real_pairs_pass_in_any_unit(real, name):
    adc = real[name].adc
    in_1e6_mm2_s = adc.array * recognise_adc_unit(adc.array).to_1e6_mm2_s
    for factor in (1.0, 1e-3, 1e-6):
        scaled = adc.with_array(in_1e6_mm2_s * factor)
        assert check_diffusion(replace(real[name], adc=scaled)) == ()


def test_swapped_images_are_refused(sample):
    with pytest.raises(InputRefused, match="swapped"):
        check_diffusion(Case(sample.adc, sample.dwi))


def test_a_large_bright_infarct_is_no_sign_of_a_swap(sample):
    """It makes the DWI's values tail off upward as an ADC map's do, and the ADC's downward."""
    brain = sample.dwi.array > 0
    z, y, x = np.argwhere(brain).mean(axis=0)
    offset = np.indices(brain.shape) - np.reshape((z, y, x + 15), (3, 1, 1, 1))
    distance = np.linalg.norm(offset * np.reshape(sample.dwi.grid.spacing_mm[::-1], (3, 1, 1, 1)), axis=0)
    infarct = brain & (distance < 38)
    assert 0.06 < infarct.sum() / brain.sum() < 0.25
    case = Case(
        sample.dwi.with_array(np.where(infarct, 4 * sample.dwi.array, sample.dwi.array)),
        sample.adc.with_array(np.where(infarct, 0.3 * sample.adc.array, sample.adc.array)),
    )
    inside = brain & ~ndimage.binary_dilation(~brain, iterations=2)
    assert measure_skew(case.dwi.array[inside]) > 1.2 * measure_skew(case.adc.array[inside])
    check_diffusion(case)


@pytest.mark.parametrize("name", REAL)
def test_swapped_real_images_are_refused(real, name):
    with pytest.raises(InputRefused, match="swapped"):
        check_diffusion(Case(real[name].adc, real[name].dwi))


@pytest.mark.parametrize(("axis", "words"), [(0, "upside down"), (1, "front to back"), (2, "left to right")])
@pytest.mark.parametrize("name", REAL)
def test_a_mirrored_adc_is_refused(real, name, axis, words):
    with pytest.raises(GeometryError, match=words):
        check_diffusion(mirror(real[name], axis))


def test_another_patients_adc_is_refused(real):
    for one, other in (REAL, REAL[::-1]):
        foreign = replace(real[one], adc=lay_on_middle(real[other].adc, real[one].dwi))
        with pytest.raises(InputRefused, match="do not belong together"):
            check_diffusion(foreign)


def test_an_image_without_diffusion_weighting_is_refused(real):
    """A b0 image is bright where the ADC is high."""
    case = real["isles22-0009"]
    b0 = case.dwi.array * np.exp(np.clip(case.adc.array, 0, 3.5))
    with pytest.raises(InputRefused):
        check_diffusion(replace(case, dwi=case.dwi.with_array(b0)))


def test_an_adc_that_is_scaled_beyond_the_plausible_is_refused(real):
    case = real["isles22-0009"]
    with pytest.raises(InputRefused, match=r"median in the brain is 2[0-9]{3}e-6"):
        check_diffusion(replace(case, adc=case.adc.with_array(case.adc.array * 2.5)))


def test_an_adc_that_is_empty_in_most_of_the_brain_is_refused():
    dwi = make_head("dwi", stripped=True)
    adc = make_adc(dwi)
    cut = np.where(np.arange(adc.array.shape[2]) < adc.array.shape[2] * 0.6, 0, adc.array)
    with pytest.raises(InputRefused, match="do not belong together"):
        check_diffusion(Case(dwi, adc.with_array(cut)))


def test_a_head_left_so_by_request_is_let_pass():
    head = make_head("dwi")
    assert check_diffusion(Case(head, head.with_array(head.array[::-1]))) == ()


def test_relation_is_perfect_between_a_dwi_and_its_own_adc_whatever_the_coil_does():
    dwi = make_head("dwi", stripped=True).array.astype(np.float64)
    rng = np.random.default_rng(0)
    adc = np.where(dwi > 0, 800 + 200 * rng.normal(size=dwi.shape), 0)
    inside = (dwi > 0) & (adc > 0)
    pure = np.where(inside, 1000 * np.exp(-adc / 1000), 0)
    shaded = pure * np.linspace(0.4, 1.6, dwi.shape[2])
    assert relate(pure, adc, inside, (5.0, 2.0, 2.0)) == pytest.approx(-1, abs=0.02)
    assert relate(shaded, adc, inside, (5.0, 2.0, 2.0)) == pytest.approx(-1, abs=0.03)
    assert abs(relate(pure[::-1], adc, inside & inside[::-1], (5.0, 2.0, 2.0))) < 0.1


def test_grey_matter_that_is_bright_in_both_images_is_no_sign_of_two_patients():
    """Tissue may differ alike in DWI and ADC, as T2 has it; noise and what shares a voxel with fluid never does."""
    rng = np.random.default_rng(0)
    dwi = make_head("dwi", stripped=True)
    brain = dwi.array > 0
    grey = ndimage.gaussian_filter(rng.normal(size=brain.shape), 2.5) > 0
    fluid = rng.random(brain.shape) < 0.03
    noise = rng.normal(0, 0.02, brain.shape)
    adc = np.where(fluid, 2800, np.where(grey, 950, 750) - 1000 * noise) * brain
    signal = np.where(grey, 600, 300) * np.where(fluid, 0.6, 1) * (1 + noise) * brain
    case = Case(dwi.with_array(signal), dwi.with_array(adc))
    looked = look_inside(case.dwi)
    assert looked is not None
    coarse, inside = looked
    assert relate(coarse.distance, coarse.look_at(adc).astype(np.float64), inside, coarse.spacing_mm) > -0.1
    assert any("hardly fit" in warning for warning in check_diffusion(case))


def test_skew_tells_which_tail_is_longer():
    values = np.random.default_rng(0).gamma(2.0, size=100_000)
    assert measure_skew(values) > 2
    assert measure_skew(-values) == pytest.approx(1 / measure_skew(values))
