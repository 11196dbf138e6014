"""How good a network in training is on cases that it is not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
from numpy.typing import NDArray
from torch import Tensor, nn

from deepisles.case.volume import MM3_PER_ML
from deepisles.evaluation.metrics import Agreement, compare_masks
from deepisles.training.examples import load_example
from deepisles.training.layout import TrainingCase
from deepisles.training.patches import arrange
from deepisles.training.recipes import Recipe
from deepisles.training.supervised import AutocastInferer

OVERLAP = 0.25
COST_PER_ML, MOST_COUNTED_ML = 0.05, 4.0
"""What false positives in lesion-free brains cost a score: a choice, so that 1 ml weighs as much as 0.05 of Dice."""


@dataclass(frozen=True)
class ValidationResult:
    """Means over the validation cases.

    Parameters
    ----------
    dice, lesion_f1 : float
        Over the cases with a lesion.
    false_positive_ml : float
        Median over the cases without.
    """

    dice: float
    lesion_f1: float
    false_positive_ml: float

    @property
    def score(self) -> float:
        """What the best network has most of."""
        return (self.dice + self.lesion_f1) / 2 - COST_PER_ML * min(self.false_positive_ml, MOST_COUNTED_ML)


@torch.inference_mode()
def validate(
    network: nn.Module, cases: Sequence[TrainingCase], recipe: Recipe, cache: Path, device: torch.device
) -> ValidationResult:
    """Segment the validation cases in sliding windows and compare with their masks."""
    predicted = (predict_lesion_logit(network, case, recipe, cache, device) for case in cases)
    return summarise([compare_masks(logit > 0, drawn, voxel_ml(recipe)) for logit, drawn in predicted])


def predict_lesion_logit(
    network: nn.Module, case: TrainingCase, recipe: Recipe, cache: Path, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run a network over a case in sliding windows.

    Returns
    -------
    numpy.ndarray
        (axes as the recipe has them): log-odds of lesion.
    numpy.ndarray
        Likewise: what the expert drew, 0 or 1.
    """
    window = recipe.patch_size if recipe.axes == "zyx" else recipe.patch_size[::-1]
    inferer = SlidingWindowInferer(window, sw_batch_size=2, overlap=OVERLAP, mode="gaussian")
    whole = AutocastInferer(device)
    example = load_example(case, recipe.spacing_mm, cache)
    image = torch.from_numpy(np.asarray(example.channels, dtype=np.float32))
    label = torch.from_numpy(np.asarray(example.lesion, dtype=np.float32))[None]
    arranged = arrange(image, label, recipe)
    logits: Tensor = inferer(arranged["image"][None].to(device), lambda part: whole(part, network))
    return to_lesion_logit(logits)[0].float().cpu().numpy(), arranged["label"][0].numpy()


def to_lesion_logit(logits: Tensor) -> Tensor:
    """Turn logits (B, 1 or 2, *axes) into log-odds of lesion (B, *axes)."""
    return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]


def summarise(agreements: Sequence[Agreement]) -> ValidationResult:
    """Take means over the cases with a lesion, and the median volume found in those without."""
    found = [each for each in agreements if each.expert_lesions]
    free = [each for each in agreements if not each.expert_lesions]
    return ValidationResult(
        dice=float(np.mean([each.dice for each in found])) if found else 0.0,
        lesion_f1=float(np.mean([each.lesion_f1 for each in found])) if found else 0.0,
        false_positive_ml=float(np.median([each.volume_ml for each in free])) if free else 0.0,
    )


def voxel_ml(recipe: Recipe) -> float:
    """Volume of a voxel at a recipe's spacing."""
    return recipe.spacing_mm**3 / MM3_PER_ML
