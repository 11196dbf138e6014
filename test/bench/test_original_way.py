"""The original's way of working gives this project's masks: it is slower, not another method."""

from __future__ import annotations

import numpy as np
import pytest
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case

from deepisles import Ensemble
from deepisles.bench.original_way.run import run_original_way
from deepisles.bench.request import BenchRequest
from deepisles.case.files import CaseFiles
from deepisles.errors import DeepIslesError
from deepisles.evaluation.metrics import compare_masks
from deepisles.options import SegmentOptions
from deepisles.weights.bundle import Bundle
from deepisles.weights.fewer_networks import write_part

LEAST_DICE = 0.999
MEMBERS = ("seals", "nvauto", "swan")


def run_both(files, weights, threads=1):
    options = SegmentOptions(weights=weights, device="cpu", registration="none")
    ran = run_original_way(BenchRequest(files, options, threads))
    exact = Ensemble.load(weights, "cpu").segment(files.dwi, files.adc, files.flair, registration="none")
    return ran, exact


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    images, _ = make_bright_case()
    return CaseFiles(**write_case(tmp_path_factory.mktemp("case"), images))


@pytest.fixture(scope="module")
def both(files, bundle):
    return run_both(files, bundle)


def test_the_masks_are_the_same(both):
    ran, exact = both
    assert ran.mask.any()
    np.testing.assert_array_equal(ran.mask, exact.mask.array)
    for name in MEMBERS:
        np.testing.assert_array_equal(ran.masks[name], exact.predictions[name].mask, err_msg=name)


def test_every_process_is_paid_for(both):
    ran, _ = both
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
def test_the_masks_of_trained_networks_are_the_same(cases, golden, tiny_bundle, tmp_path):
    """One or two networks of a member show it, in a fifth of the time: the parity tests run all."""
    folder = cases / "isles22-0009"
    flair = golden / "expected" / "swan" / "isles22-0009_flair_registered.nii.gz"
    some = write_part(Bundle.open(tiny_bundle), {"seals": [0], "nvauto": [0], "swan": [0, 5]}, tmp_path)
    ran, exact = run_both(CaseFiles(folder / "dwi.nii.gz", folder / "adc.nii.gz", flair), some, threads=2)
    for name in MEMBERS:
        assert ran.masks[name].any(), name
        assert compare_masks(ran.masks[name], exact.predictions[name].mask, 1.0).dice >= LEAST_DICE, name
    assert {name: cost.forwards for name, cost in ran.members.items()} == {"seals": 48, "nvauto": 8, "swan": 36}
