"""NVAUTO's 1 mm grid, by MONAI 0.9's rule."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given
from volumes import grids, make_grid

from deepisles.members.monai_resampling import invert_resampling, plan_resampling
from deepisles.members.nvauto import normalise_nonzero, to_storage_order

ISOTROPIC = (1.0, 1.0, 1.0)
SHAPE = (20, 22, 9)
SPACINGS = {
    "RAS_iso2": (2, 2, 2), "LAS_iso2": (2, 2, 2), "LPS_aniso": (1.3, 0.9, 5), "iso1": (1, 1, 1),
    "near1_1.0005": (1.0005,) * 3, "near1_1.01": (1.01,) * 3, "half": (0.5,) * 3,
}  # fmt: skip


@pytest.mark.parametrize("name", SPACINGS)
def test_sizes_and_positions_are_monai_0_9s(golden, name):
    told = json.loads((golden / "expected" / "nvauto" / "geometry_monai_0.9.0.json").read_text())[name]
    affine = np.diag([*SPACINGS[name], 1.0])
    forward = plan_resampling(affine, SHAPE, ISOTROPIC)
    assert list(forward.shape) == told["out_shape"]
    ramp = torch.arange(SHAPE[0], dtype=torch.float32)[None, :, None, None].expand(1, *SHAPE)
    sampled = forward.apply(ramp)[0, :, 0, 0]
    np.testing.assert_allclose([sampled[0], sampled[1], sampled[-1]], told["fwd_first_step_last"][0], atol=1e-3)
    assert list(invert_resampling(forward, affine, SHAPE).shape) == told["inv_shape"]


def test_the_golden_case_has_the_originals_matrices_and_statistics(golden, cases):
    told = json.loads((golden / "expected" / "nvauto" / "preproc_expected.json").read_text())["c0009"]
    folder = cases / "isles22-0009"
    affine = nibabel.load(folder / "dwi.nii.gz").affine
    forward = plan_resampling(affine, (112, 112, 73), ISOTROPIC)
    np.testing.assert_array_equal(forward.affine, np.array(told["new_affine"], np.float32))
    np.testing.assert_array_equal(forward.position, np.array(told["forward"]["theta"], np.float32))
    back = invert_resampling(forward, affine, (112, 112, 73))
    np.testing.assert_array_equal(back.position, np.array(told["inverse"]["theta"], np.float32))
    for name in ("adc", "dwi"):
        array = sitk.GetArrayFromImage(sitk.ReadImage(folder / f"{name}.nii.gz"))
        resampled = forward.apply(to_storage_order(array)[None])
        inside = resampled[resampled != 0]
        assert inside.numel() == told["stats"][name]["nonzero"]
        assert inside.mean().item() == pytest.approx(told["stats"][name]["mean_f64"], rel=1e-5)
        assert inside.std(unbiased=False).item() == pytest.approx(told["stats"][name]["std_f64"], rel=1e-5)


@given(grids)
def test_there_and_back_is_a_linear_ramp_again(grid):
    shape = grid.shape[::-1]
    ramp = torch.arange(shape[2], dtype=torch.float32).expand(1, *shape).contiguous()
    forward = plan_resampling(grid.affine_ras, shape, ISOTROPIC)
    there = forward.apply(ramp)
    back = invert_resampling(forward, grid.affine_ras, shape).apply(there)
    # only the last voxels can differ, where the 1 mm grid ends before the native one
    beyond = int(np.ceil(1.0 / grid.spacing_mm[2])) + 1
    np.testing.assert_allclose(back[..., :-beyond], ramp[..., :-beyond], atol=2e-2)


def test_a_first_voxel_stays_where_it_is_on_an_oblique_grid():
    grid = make_grid((9, 22, 20), spacing_mm=(2, 2, 2), rotation_deg=(10, 20, 30))
    forward = plan_resampling(grid.affine_ras, SHAPE, ISOTROPIC)
    np.testing.assert_allclose(forward.position[:3, 3], 0, atol=1e-5)
    np.testing.assert_allclose(forward.position[:3, :3], np.eye(3) / 2, atol=1e-6)


def test_zeros_stay_zero_and_each_channel_has_its_own_mask():
    channels = torch.zeros(2, 2, 2, 2)
    channels[0, 0] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    channels[1, 1] = 5.0
    normalised = normalise_nonzero(channels)
    assert (normalised[0, 1] == 0).all()
    assert normalised[0, 0].std(unbiased=False).item() == pytest.approx(1)
    assert (normalised[1] == 0).all()
