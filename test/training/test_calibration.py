"""Shifts of a network's lesion logit: they move the lesion alone, and undo what a network says too little."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deepisles.errors import InputRefused
from deepisles.training.calibration import calibrate, shift_lesion_logit
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
    (network,) = Bundle.open(STARTER).load_networks("seals")
    shift_lesion_logit(network, -3.0)
    calibration = calibrate(network.eval(), cases, find_recipe("seals"), tmp_path, CPU)
    assert calibration.best > 0
    assert calibration.results[calibration.best].score > calibration.results[0.0].score


def test_nothing_to_calibrate_on(tmp_path: Path) -> None:
    network = build_network(find_recipe("seals").networks["fold"])
    with pytest.raises(InputRefused, match="no cases"):
        calibrate(network, [], find_recipe("seals"), tmp_path, CPU)
