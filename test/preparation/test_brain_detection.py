"""A stripped brain is told from a head by its bone, whatever the background is."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from heads import BRAIN_LEVEL, CONTRASTS, make_head
from scipy import ndimage

from deepisles.case.files import CaseFiles
from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.reading import read_case, read_volume
from deepisles.case.volume import Volume
from deepisles.preparation.brain_detection import has_zero_background, is_brain_alone, reaches_beyond
from deepisles.preparation.brain_extraction import find_unstripped
from deepisles.preparation.coarse import CoarseVolume
from deepisles.preparation.prepare import share_grid

STRIPPED = [
    "isles22-0009/dwi.nii.gz", "isles22-0009/flair.nii.gz", "thick-slices/dwi.nii.gz", "thick-slices/flair.nii.gz",
]  # fmt: skip
HEADS = ["soop-sub3/dwi.nii.gz", "soop-sub3/t1w.nii.gz"]


def shows_brain_alone(volume):
    return is_brain_alone(CoarseVolume(volume))


def with_noise_outside(volume, outside, level):
    """Put noise of a magnitude image outside."""
    noise = np.random.default_rng(1).rayleigh(level, size=volume.array.shape)
    return volume.with_array(np.where(outside, noise, volume.array))


def with_constant_outside(volume, outside, value):
    return volume.with_array(np.where(outside, value, volume.array.astype(np.float64)))


def with_dust(volume):
    """Leave no exact zero."""
    return volume.with_array(volume.array + np.random.default_rng(2).normal(0, 1e-13, size=volume.array.shape))


def resampled(volume):
    """Turn it by cubic B-splines, which ring beside the brain and go below zero there."""
    image = to_image(volume.with_array(volume.array.astype(np.float32)))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.1, 0.1, 0.05, (3, 3, 3))
    return to_volume(sitk.Resample(image, image, turn, sitk.sitkBSpline, 0.0, sitk.sitkFloat32))


def middle(volume, thickness_mm):
    """Cut the field of view to a slab."""
    slices = max(2, int(thickness_mm / volume.grid.spacing_mm[2]))
    start = (volume.array.shape[0] - slices) // 2
    cut = to_image(volume)[:, :, start : start + slices]
    return to_volume(cut)


def cropped(volume):
    """Leave no margin around what is not 0."""
    box = ndimage.find_objects((volume.array != 0).astype(np.uint8))[0]
    z, y, x = box
    return to_volume(to_image(volume)[x.start : x.stop, y.start : y.stop, z.start : z.stop])


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_made_up_brains_and_heads(contrast, dtype):
    assert shows_brain_alone(make_head(contrast, stripped=True, dtype=dtype))
    assert not shows_brain_alone(make_head(contrast, dtype=dtype))


def test_a_brain_of_mni_space_is_larger_than_life_and_no_head():
    brain = make_head("dwi", stripped=True)
    grid = replace(brain.grid, spacing_mm=tuple(1.14 * step for step in brain.grid.spacing_mm))
    coarse = CoarseVolume(Volume(brain.array, grid))
    assert coarse.body.sum() * coarse.voxel_ml > 1900
    assert is_brain_alone(coarse)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_storage_order_does_not_matter(axes):
    for stripped in (True, False):
        volume = to_volume(sitk.PermuteAxes(to_image(make_head("flair", stripped=stripped)), axes))
        assert shows_brain_alone(volume) is stripped


@pytest.mark.parametrize("name", STRIPPED)
def test_real_stripped_images_on_any_background(cases, name):
    volume = read_volume(cases / name, "image")
    outside = volume.array == 0
    level = float(np.median(volume.array[~outside]))
    variants = {
        "as it is": volume,
        "dust": with_dust(volume),
        "ringing": resampled(volume),
        "noise of 1 %": with_noise_outside(volume, outside, 0.01 * level),
        "constant -1024": with_constant_outside(volume, outside, -1024.0),
        "constant beyond the brain": with_constant_outside(volume, outside, 3 * level),
        "no margin": cropped(volume),
        "a slab": middle(volume, 60),
    }
    found = {variant: shows_brain_alone(changed) for variant, changed in variants.items()}
    assert all(found.values()), found


@pytest.mark.parametrize("case", ["isles22-0009", "thick-slices"])
def test_a_stripped_flair_that_the_original_registered_is_a_brain(golden, case):
    assert shows_brain_alone(read_volume(golden / "expected" / "swan" / f"{case}_flair_registered.nii.gz", "FLAIR"))


@pytest.mark.parametrize("name", HEADS)
def test_real_heads_on_any_background(cases, name):
    volume = read_volume(cases / name, "image")
    level = float(np.percentile(volume.array, 98))
    head = ndimage.binary_closing(volume.array > 0.03 * level, iterations=2)
    head = np.stack([ndimage.binary_fill_holes(plane) for plane in head])
    variants = {
        "as it is": volume,
        "dust": with_dust(volume),
        "ringing": resampled(volume),
        "air and low signal at 0": volume.with_array(np.where(volume.array < 0.05 * level, 0, volume.array)),
        "air at 0 around a head mask": volume.with_array(np.where(head, volume.array, 0)),
        "noise of 3 % in the air": with_noise_outside(volume, ~head, 0.03 * level),
        "noise of 8 % in the air": with_noise_outside(volume, ~head, 0.08 * level),
        "constant": with_constant_outside(volume, ~head, 500.0),
        "no margin": cropped(volume),
    }
    found = {variant: shows_brain_alone(changed) for variant, changed in variants.items()}
    assert not any(found.values()), found


def test_a_head_that_the_field_of_view_cuts_to_a_brains_volume_is_a_head(cases):
    volume = middle(read_volume(cases / "soop-sub3" / "dwi.nii.gz", "DWI"), 60)
    coarse = CoarseVolume(volume)
    assert coarse.body.sum() * coarse.voxel_ml < 1700
    assert not is_brain_alone(coarse)


def test_metaimages_are_judged_alike(cases, tmp_path):
    for folder in sorted((cases / "thick-slices" / "grand-challenge" / "images").iterdir()):
        if "adc" not in folder.name:
            (path,) = folder.iterdir()
            assert shows_brain_alone(read_volume(path, "image"))
    sitk.WriteImage(sitk.ReadImage(cases / "soop-sub3" / "dwi.nii.gz"), tmp_path / "dwi.mha")
    assert not shows_brain_alone(read_volume(tmp_path / "dwi.mha", "DWI"))


def test_an_adc_is_judged_by_what_it_shows_outside_the_dwis_brain(cases):
    for case in ("isles22-0009", "thick-slices"):
        dwi, adc = (read_volume(cases / case / f"{name}.nii.gz", name) for name in ("dwi", "adc"))
        outside = adc.array == 0
        level = float(np.median(adc.array[~outside]))
        variants = (adc, with_dust(adc), with_noise_outside(adc, outside, 0.01 * level))
        assert not any(reaches_beyond(CoarseVolume(changed), CoarseVolume(dwi)) for changed in variants)
        raw = with_noise_outside(adc, outside, level)
        assert reaches_beyond(CoarseVolume(raw), CoarseVolume(dwi))


def test_a_background_of_zeros_is_told_from_another(cases):
    dwi = read_volume(cases / "isles22-0009" / "dwi.nii.gz", "DWI")
    assert has_zero_background(CoarseVolume(dwi))
    assert not has_zero_background(CoarseVolume(with_dust(dwi)))
    assert not has_zero_background(CoarseVolume(with_constant_outside(dwi, dwi.array == 0, -1024.0)))


@pytest.mark.parametrize("shape", [(2, 8, 8), (8, 2, 9), (3, 300, 8)])
@pytest.mark.parametrize("spacing_mm", [(0.05, 0.05, 0.05), (1, 1, 8), (60, 20, 5)])
def test_odd_sizes_are_no_error(shape, spacing_mm):
    from volumes import make_volume

    volume = make_volume(shape, spacing_mm=spacing_mm)
    shows_brain_alone(volume)
    shows_brain_alone(volume.with_array(np.zeros(shape, np.int16)))
    assert has_zero_background(CoarseVolume(volume.with_array(np.zeros(shape, np.int16))))


def test_looking_is_quick(cases):
    case = share_grid(read_case(CaseFiles(*(cases / "isles22-0009" / f"{m}.nii.gz" for m in ("dwi", "adc", "flair")))))
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        assert find_unstripped(case) == ((), ())
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.2


def test_a_scalp_much_weaker_than_the_brain_is_seen():
    head = make_head("dwi")
    scalp = head.array < 0.5 * BRAIN_LEVEL
    assert not shows_brain_alone(head.with_array(np.where(scalp, 0.7 * head.array, head.array)))
