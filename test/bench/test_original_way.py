"""The original's way of working gives this project's masks: it is slower, not another method."""

from __future__ import annotations

import numpy as np
import pytest
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case

from deepisles import Ensemble
from deepisles.bench.original_way.run import run_original_way
from deepisles.bench.request import BenchRequest
from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_volume
from deepisles.errors import DeepIslesError
from deepisles.options import SegmentOptions

MOST_VOXELS_APART = 3
"""Rounding decides these, as in test_parity."""
MEMBERS = ("seals", "nvauto", "swan")


def run_both(files, weights):
    options = SegmentOptions(weights=weights, device="cpu", registration="none")
    ran = run_original_way(BenchRequest(files, options, 1))
    exact = Ensemble.load(weights, "cpu").segment(files.dwi, files.adc, files.flair, registration="none")
    return ran, exact


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    images, _ = make_bright_case()
    return CaseFiles(**write_case(tmp_path_factory.mktemp("case"), images))


def test_the_masks_are_the_same(files, bundle):
    ran, exact = run_both(files, bundle)
    assert ran.mask.any()
    np.testing.assert_array_equal(ran.mask, exact.mask.array)
    for name in MEMBERS:
        np.testing.assert_array_equal(ran.masks[name], exact.predictions[name].mask, err_msg=name)


def test_every_process_is_paid_for(files, bundle):
    ran, _ = run_both(files, bundle)
    assert set(ran.members) == set(MEMBERS)
    for cost in ran.members.values():
        assert 0 < cost.network_seconds < cost.wall_seconds
        assert cost.load_seconds > 0
        assert cost.forwards > 0
        assert cost.peak_memory_gb > 0.1
    assert ran.total_seconds > sum(cost.wall_seconds for cost in ran.members.values())


def test_without_flair_swan_has_no_process(files, bundle):
    ran, exact = run_both(CaseFiles(files.dwi, files.adc), bundle)
    assert set(ran.members) == {"seals", "nvauto"}
    np.testing.assert_array_equal(ran.mask, exact.mask.array)


def test_a_process_that_fails_says_why(files, bundle, tmp_path):
    broken = make_threshold_bundle(tmp_path / "broken")
    (broken / "nvauto.safetensors").write_bytes(b"no weights")
    with pytest.raises(DeepIslesError, match="nvauto"):
        run_original_way(BenchRequest(files, SegmentOptions(weights=broken, registration="none"), 1))


@pytest.mark.slow
def test_the_tiny_networks_give_what_the_original_made_of_them(cases, golden, tiny_bundle):
    folder, expected = cases / "isles22-0009", golden / "expected"
    flair = expected / "swan" / "isles22-0009_flair_registered.nii.gz"
    files = CaseFiles(folder / "dwi.nii.gz", folder / "adc.nii.gz", flair)
    options = SegmentOptions(weights=tiny_bundle, device="cpu", registration="none")
    ran = run_original_way(BenchRequest(files, options, 2))
    originals = {
        "seals": "seals/isles22-0009/lesion_msk.nii.gz",
        "nvauto": "nvauto/isles22-0009/lesion_msk.nii.gz",
        "swan": "swan/isles22-0009_eval_lesion_msk.nii.gz",
    }
    for name, path in originals.items():
        original = read_volume(expected / path, "mask").array
        assert np.count_nonzero(ran.masks[name] != original) <= MOST_VOXELS_APART, name
    assert {name: cost.forwards for name, cost in ran.members.items()} == {"seals": 240, "nvauto": 120, "swan": 180}
