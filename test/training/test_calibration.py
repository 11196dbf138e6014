"""Shifts of lesion logits: they move the lesion alone, undo what a network says too little, and serve the vote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepisles.errors import InputRefused
from deepisles.training.calibration import Predicted, calibrate, predict_members, rate_vote, shift_lesion_logit
from deepisles.training.layout import TrainingCase, find_training_cases
from deepisles.training.recipes import find_recipe
from deepisles.training.supervised import DeeplySupervised
from deepisles.training.synthesis.case import Ingredients, synthesise_case
from deepisles.training.synthesis.dataset import write_case
from deepisles.training.validation import to_lesion_logit
from deepisles.weights.build import build_network
from deepisles.weights.bundle import Bundle

STARTER = Path(__file__).resolve().parents[2] / "models" / "starter"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> list[TrainingCase]:
    folder = tmp_path_factory.mktemp("held-back")
    for seed in (71, 72):
        write_case(folder, seed, synthesise_case(seed, Ingredients(), lesion_free=False))
    return find_training_cases(folder)


@pytest.fixture
def drawn() -> np.ndarray:
    """Draw a cube, as an expert would."""
    mask = np.zeros((8, 8, 8), dtype=bool)
    mask[2:5, 2:5, 2:5] = True
    return mask


@pytest.mark.parametrize(
    ("member", "kind"),
    [("seals", "fold"), ("nvauto", "model"), ("swan", "resunet_fold"), ("swan", "swin-factorizer_fold")],
)
def test_only_the_lesion_moves(member: str, kind: str) -> None:
    recipe = find_recipe(member)
    torch.manual_seed(0)
    network = build_network(recipe.networks[kind]).eval()
    whole = DeeplySupervised(network).eval()
    image = torch.rand(1, len(recipe.channels), 64, 64, 64)
    with torch.no_grad():
        before = whole(image)
        shift_lesion_logit(network, 1.5)
        after = whole(image)
    assert torch.allclose(to_lesion_logit(after), to_lesion_logit(before) + 1.5, atol=1e-4)
    if before.shape[1] == 2:
        assert torch.equal(after[:, 0], before[:, 0])


def test_a_network_that_says_too_little_is_put_right(cases: list[TrainingCase], tmp_path: Path) -> None:
    networks = {"seals": Bundle.open(STARTER).load_networks("seals")}
    shift_lesion_logit(networks["seals"][0], -8.0)
    calibration = calibrate(predict_members(networks, cases, tmp_path, CPU))
    assert calibration.shifts["seals"] > 0
    assert calibration.after.score > calibration.before.score


def test_the_vote_is_what_counts(drawn) -> None:
    """Two members that see a lesion, one of them not quite surely, and one that sees nothing."""
    rng = np.random.default_rng(0)
    sure = np.where(drawn, 6, -6) + rng.normal(0, 1, drawn.shape)
    unsure = np.where(drawn, -0.5, -9) + rng.normal(0, 2, drawn.shape)
    blind = np.full(drawn.shape, -20) + rng.normal(0, 1, drawn.shape)
    case = Predicted(drawn, {"seals": sure, "nvauto": unsure, "swan": blind})
    assert rate_vote([case], {"seals": 0.0, "nvauto": 5.0, "swan": 0.0}).dice > 0.95
    calibration = calibrate([case])
    assert calibration.before.dice < 0.7
    assert calibration.after.dice > calibration.before.dice + 0.1
    assert calibration.shifts["nvauto"] > 0
    assert calibration.shifts["swan"] == 0


def test_without_a_member_it_is_the_fallback_that_counts(drawn) -> None:
    """Of SEALS and NVAUTO alone the ensemble takes SEALS, so that nothing is gained by shifting NVAUTO."""
    rng = np.random.default_rng(0)
    right = np.where(drawn, 6, -6) + rng.normal(0, 1, drawn.shape)
    unsure = np.where(drawn, -2, -9) + rng.normal(0, 2, drawn.shape)
    assert rate_vote([Predicted(drawn, {"seals": right, "nvauto": unsure})], {"seals": 0.0, "nvauto": 0.0}).dice == 1
    calibration = calibrate([Predicted(drawn, {"seals": unsure, "nvauto": right})])
    assert calibration.shifts["seals"] > 0
    assert calibration.shifts["nvauto"] == 0


def test_nothing_to_calibrate_on(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="No case"):
        predict_members({"seals": []}, [], tmp_path, CPU)
