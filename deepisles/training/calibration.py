"""How sure a trained network must be: a shift of its lesion logit, chosen on cases that it was not trained on.

Networks trained on a Dice loss are sure of what they say, and say too little where lesions are small and faint. The
shift goes into the bias of the network's last convolution, so that its mask is still cut where lesion and background
are equally likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from deepisles.errors import InputRefused
from deepisles.evaluation.metrics import compare_masks
from deepisles.members.networks.unet_skeleton import UNetSkeleton
from deepisles.training.layout import TrainingCase
from deepisles.training.recipes import Recipe
from deepisles.training.validation import ValidationResult, predict_lesion_logit, summarise, voxel_ml

SHIFT_SHARES = (-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Shifts that are tried, as shares of the logit's deviation within lesions: one network's reach 10, another's 100."""


@dataclass(frozen=True)
class Calibration:
    """What each shift of a network's lesion logit gives.

    Parameters
    ----------
    results : mapping of float to ValidationResult
        By shift.
    """

    results: dict[float, ValidationResult]

    @property
    def best(self) -> float:
        """The shift with the highest score; of several the one nearest to none."""
        return max(self.results, key=lambda shift: (self.results[shift].score, -abs(shift)))


@torch.inference_mode()
def calibrate(
    network: nn.Module, cases: Sequence[TrainingCase], recipe: Recipe, cache: Path, device: torch.device
) -> Calibration:
    """Try every shift on cases that a network was not trained on.

    Raises
    ------
    InputRefused
        If there are no cases, or none with a lesion.
    """
    if not cases:
        raise InputRefused("There are no cases to calibrate on.")
    predicted = [predict_lesion_logit(network, case, recipe, cache, device) for case in cases]
    inside = np.concatenate([logit[drawn > 0] for logit, drawn in predicted])
    if not inside.size:
        raise InputRefused("No case to calibrate on has a lesion.")
    shifts = [round(share * float(inside.std()), 2) for share in SHIFT_SHARES]
    return Calibration(
        {
            shift: summarise([compare_masks(logit + shift > 0, drawn, voxel_ml(recipe)) for logit, drawn in predicted])
            for shift in shifts
        }
    )


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
