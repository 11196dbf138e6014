"""How sure trained members must be: shifts of their lesion logits, chosen on cases that they were not trained on.

Networks trained on a Dice loss are sure of what they say, and say too little where lesions are small and faint. What
counts is the vote: one member may say more than is right for it alone, since another one has to agree. A shift goes
into the bias of a network's last convolution, so that its mask is still cut at equal odds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from numpy.typing import NDArray
from scipy.special import expit
from torch import nn

from deepisles.consensus.voting import decide
from deepisles.errors import InputRefused
from deepisles.evaluation.metrics import compare_masks
from deepisles.members.member import MemberName, Prediction
from deepisles.members.networks.unet_skeleton import UNetSkeleton
from deepisles.training.layout import TrainingCase
from deepisles.training.recipes import find_recipe
from deepisles.training.validation import ValidationResult, predict_lesion_logit, summarise, voxel_ml

SHIFT_SHARES = (-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Shifts that are tried, as shares of the logit's deviation within lesions: one network's reach 10, another's 100."""
LEAST_GAIN = 0.01
"""What a shift must add to the score to be kept. A choice: some 40 cases hardly tell less from chance."""
MOST_ROUNDS = 3
"""Rounds over the members, each of which sets one member's shift beside the others'; two have been enough."""


@dataclass(frozen=True)
class Predicted:
    """What the members say of one case; arrays (z, y, x).

    Parameters
    ----------
    drawn : numpy.ndarray
        bool: the expert's mask.
    logits : mapping of str to numpy.ndarray
        float32: log-odds of lesion by member, the mean over its networks.
    """

    drawn: NDArray[np.bool_]
    logits: dict[MemberName, NDArray[np.float32]]


@dataclass(frozen=True)
class Calibration:
    """Shifts by member, and what the vote is with and without them."""

    shifts: dict[MemberName, float]
    before: ValidationResult
    after: ValidationResult


@torch.inference_mode()
def predict_members(
    networks: Mapping[MemberName, Sequence[nn.Module]], cases: Sequence[TrainingCase], cache: Path, device: torch.device
) -> list[Predicted]:
    """Run every member's networks over cases, at the spacing that they were trained at.

    Raises
    ------
    InputRefused
        If no case has a lesion.
    """
    predicted = []
    for case in cases:
        logits: dict[MemberName, NDArray[np.float32]] = {}
        for member, own in networks.items():
            recipe = find_recipe(member)
            each = [predict_lesion_logit(network, case, recipe, cache, device) for network in own]
            to_zyx = (2, 1, 0) if recipe.axes == "xyz" else (0, 1, 2)
            logits[member] = np.mean([logit for logit, _ in each], axis=0).transpose(to_zyx)
            drawn = (each[0][1] > 0).transpose(to_zyx)
        predicted.append(Predicted(drawn, logits))
    if not any(each.drawn.any() for each in predicted):
        raise InputRefused("No case to calibrate on has a lesion.")
    return predicted


def calibrate(predicted: Sequence[Predicted]) -> Calibration:
    """Choose the shifts with which the vote scores best; a member's shift stays 0 where none is clearly better."""
    members = tuple(predicted[0].logits)
    deviations = {
        member: float(np.concatenate([each.logits[member][each.drawn] for each in predicted]).std())
        for member in members
    }
    shifts = dict.fromkeys(members, 0.0)
    before = best = rate_vote(predicted, shifts)
    for _ in range(MOST_ROUNDS):
        previous = dict(shifts)
        for member in members:
            tried = [shifts | {member: round(share * deviations[member], 2)} for share in SHIFT_SHARES]
            results = [rate_vote(predicted, each) for each in tried]
            place = max(range(len(tried)), key=lambda number: results[number].score)
            if results[place].score > best.score + LEAST_GAIN:
                best, shifts = results[place], tried[place]
        if shifts == previous:
            break
    return Calibration(shifts, before, best)


def rate_vote(predicted: Sequence[Predicted], shifts: Mapping[MemberName, float]) -> ValidationResult:
    """Rate the masks that the ensemble makes of the shifted answers; where a member is missing, its fallback's."""
    spacing_ml = voxel_ml(find_recipe(next(iter(shifts))))
    agreements = []
    for each in predicted:
        answers: dict[str, Prediction] = {
            member: _to_prediction(each.logits[member] + shift) for member, shift in shifts.items()
        }
        agreements.append(compare_masks(decide(answers).mask > 0, each.drawn, spacing_ml))
    return summarise(agreements)


def _to_prediction(logit: NDArray[np.float32]) -> Prediction:
    return Prediction(np.asarray(expit(logit), dtype=np.float32), (logit > 0).astype(np.uint8))


@torch.no_grad()
def shift_lesion_logit(network: nn.Module, shift: float) -> None:
    """Add to the lesion logit of a member's network, in place.

    Raises
    ------
    TypeError
        If it is no network of a member.
    """
    bias = _find_head(network).bias
    if bias is None:
        raise TypeError(f"{type(network).__name__} has no bias in its last convolution.")
    # the lesion comes last, alone or after the background
    bias[-1] += shift


def _find_head(network: nn.Module) -> nn.Conv3d:
    """Find the convolution that makes the logits at full resolution."""
    if isinstance(network, UNetSkeleton):
        head: object = network.heads[0]
    elif isinstance(network, PlainConvUNet):
        head = network.decoder.seg_layers[-1]
    else:
        # MONAI's SegResNetDS keeps one at every level, the finest last
        last = len(list(network.get_submodule("up_layers").children())) - 1
        head = network.get_submodule(f"up_layers.{last}.head")
    if not isinstance(head, nn.Conv3d):
        raise TypeError(f"{type(network).__name__} does not end in a convolution.")
    return head
