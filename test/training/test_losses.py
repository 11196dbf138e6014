"""The losses: what they are made of, and what small lesions weigh in them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from deepisles.training.losses import FOCAL_WEIGHT, LossName, make_loss

SIZE = 64
"""Of the crops that members are trained on: a mean over all of their voxels would drown a lesion of eight."""


def _draw_two_lesions() -> tuple[Tensor, Tensor]:
    """Draw a label with a large and a small lesion, and say where the small one is; (1, 1, *axes)."""
    label, small = torch.zeros(1, 1, SIZE, SIZE, SIZE), torch.zeros(1, 1, SIZE, SIZE, SIZE)
    label[..., 2:12, 2:12, 2:12] = 1
    small[..., 18:20, 18:20, 18:20] = 1
    return label + small, small > 0


def _answer(label: Tensor, sureness: float, out_channels: int) -> Tensor:
    lesion = (2 * label - 1) * sureness
    return lesion if out_channels == 1 else torch.cat([-lesion / 2, lesion / 2], dim=1)


@pytest.mark.parametrize("name", ["dice-focal", "dice-cross-entropy"])
@pytest.mark.parametrize("out_channels", [1, 2])
def test_the_right_answer_costs_nothing_and_the_wrong_one_much(name: LossName, out_channels: int) -> None:
    label, _ = _draw_two_lesions()
    loss = make_loss(name, out_channels)
    right, wrong = (float(loss(_answer(label, sureness, out_channels), label)) for sureness in (40.0, -40.0))
    assert right < 0.01
    assert wrong > 1


@pytest.mark.parametrize("out_channels", [1, 2])
def test_a_small_lesion_that_was_surely_missed_weighs_its_share(out_channels: int) -> None:
    label, small = _draw_two_lesions()
    logits = _answer(torch.where(small, 0.0, label), 60.0, out_channels).requires_grad_()
    make_loss("dice-focal", out_channels)(logits, label).backward()
    pull = -logits.grad[:, -1:][small].sum().item()
    # as much as the focal part gives; Dice gives nothing, its gradient is gone
    assert pull >= 0.5 * FOCAL_WEIGHT * small.sum().item() / label.sum().item()


def test_lower_resolutions_count_half_as_much_as_the_one_above() -> None:
    label, _ = _draw_two_lesions()
    loss = make_loss("dice-focal", 2)
    wrong = _answer(1 - label, 5.0, 2)
    assert float(loss([wrong, wrong], label)) == pytest.approx(1.5 * float(loss(wrong, label)))


def test_false_positives_without_a_lesion_cost_more_the_more_there_are() -> None:
    label = torch.zeros(1, 1, SIZE, SIZE, SIZE)
    few, many = torch.full_like(label, -9.0), torch.full_like(label, -9.0)
    few[..., :3, :3, :3], many[..., :9, :9, :9] = 9.0, 9.0
    loss = make_loss("dice-focal", 1)
    assert float(loss(torch.full_like(label, -9.0), label)) < float(loss(few, label)) < float(loss(many, label))
