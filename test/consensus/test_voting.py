"""The vote, against the original's and in general."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from deepisles.consensus.voting import Rule, decide
from deepisles.members.member import Prediction

ORIGINAL_NAMES = {"seals": "seals", "nvauto": "nvauto", "swan": "factorizer"}
ORDINARY = [
    "all_present", "all_identical", "all_empty", "one_empty", "other_geometry",
    "missing_seals", "missing_nvauto", "missing_factorizer",
    "missing_seals_nvauto", "missing_seals_factorizer", "missing_nvauto_factorizer",
]  # fmt: skip


def predict(mask, probability=None):
    mask = np.asarray(mask, dtype=np.uint8)
    return Prediction(mask.astype(np.float32) if probability is None else np.asarray(probability, np.float32), mask)


@pytest.mark.parametrize("case", ORDINARY)
def test_the_vote_is_the_originals(golden, case):
    folder = golden / "expected" / "voting" / case
    predictions = {}
    for member, original in ORIGINAL_NAMES.items():
        path = folder / "output" / original / "lesion_msk.nii.gz"
        if path.exists():
            predictions[member] = predict(sitk.GetArrayFromImage(sitk.ReadImage(path)))
    expected = sitk.GetArrayFromImage(sitk.ReadImage(folder / "expected" / "lesion_msk.nii.gz"))
    np.testing.assert_array_equal(decide(predictions).mask, expected)


def test_the_vote_of_the_golden_masks_is_the_golden_ensemble(golden):
    expected = golden / "expected"
    paths = {
        "seals": expected / "seals" / "isles22-0009" / "lesion_msk.nii.gz",
        "nvauto": expected / "nvauto" / "isles22-0009" / "lesion_msk.nii.gz",
        "swan": expected / "swan" / "isles22-0009_eval_lesion_msk.nii.gz",
    }
    predictions = {name: predict(sitk.GetArrayFromImage(sitk.ReadImage(path))) for name, path in paths.items()}
    ensemble = sitk.GetArrayFromImage(sitk.ReadImage(expected / "ensemble" / "isles22-0009_lesion_msk.nii.gz"))
    np.testing.assert_array_equal(decide(predictions).mask, ensemble)


def test_the_published_case_files_say_which_members_the_original_had(golden):
    told = json.loads((golden / "expected" / "voting" / "voting_expected.json").read_text())
    assert set(ORDINARY) <= set(told)


masks = st.lists(st.integers(0, 1), min_size=8, max_size=8).map(lambda bits: np.array(bits, np.uint8).reshape(2, 2, 2))


@given(masks, masks, masks)
def test_agreement_counts_members_and_two_make_a_lesion(seals, nvauto, swan):
    agreed = decide({"seals": predict(seals), "nvauto": predict(nvauto), "swan": predict(swan)})
    np.testing.assert_array_equal(agreed.agreement, seals + nvauto + swan)
    np.testing.assert_array_equal(agreed.mask, agreed.agreement >= 2)
    assert agreed.applied == "majority"


@given(masks, masks)
def test_without_swan_the_mask_is_that_of_seals(seals, nvauto):
    agreed = decide({"nvauto": predict(nvauto), "seals": predict(seals)})
    np.testing.assert_array_equal(agreed.mask, seals)
    assert agreed.applied == "single-member"
    assert agreed.decided_by == ("seals",)


def test_the_mean_rule_weighs_probabilities():
    half_sure, sure = np.full((1, 1, 1), 0.4), np.full((1, 1, 1), 0.65)
    predictions = {"seals": predict([[[0]]], half_sure), "nvauto": predict([[[1]]], sure)}
    agreed = decide(predictions, Rule.MEAN)
    assert agreed.applied == "mean-probability"
    assert agreed.probability.item() == pytest.approx(0.525)
    assert agreed.mask.item() == 1
    assert decide(predictions, Rule.MEAN, {"seals": 3.0}).mask.item() == 0


def test_a_heavier_vote_can_decide_alone():
    predictions = {"seals": predict([[[0]]]), "nvauto": predict([[[0]]]), "swan": predict([[[1]]])}
    assert decide(predictions).mask.item() == 0
    assert decide(predictions, weights={"swan": 2.5}).mask.item() == 1


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_weight_must_be_above_zero(weight):
    with pytest.raises(ValueError, match="above zero"):
        decide({"seals": predict([[[1]]])}, weights={"seals": weight})


def test_no_answer_is_no_mask():
    with pytest.raises(ValueError, match="no member"):
        decide({})
