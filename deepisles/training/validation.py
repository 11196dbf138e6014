"""How good a network in training is on cases that it is not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
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
    window = recipe.patch_size if recipe.axes == "zyx" else recipe.patch_size[::-1]
    inferer = SlidingWindowInferer(window, sw_batch_size=2, overlap=OVERLAP, mode="gaussian")
    whole = AutocastInferer(device)
    found: list[Agreement] = []
    free: list[Agreement] = []
    voxel_ml = recipe.spacing_mm**3 / MM3_PER_ML
    for case in cases:
        example = load_example(case, recipe.spacing_mm, cache)
        image = torch.from_numpy(np.asarray(example.channels, dtype=np.float32))
        label = torch.from_numpy(np.asarray(example.lesion, dtype=np.float32))[None]
        arranged = arrange(image, label, recipe)
        logits: Tensor = inferer(arranged["image"][None].to(device), lambda part: whole(part, network))
        mask = is_lesion(logits)[0].cpu().numpy()
        agreement = compare_masks(mask, arranged["label"][0].numpy(), voxel_ml)
        (found if agreement.expert_lesions else free).append(agreement)
    return ValidationResult(
        dice=float(np.mean([each.dice for each in found])) if found else 0.0,
        lesion_f1=float(np.mean([each.lesion_f1 for each in found])) if found else 0.0,
        false_positive_ml=float(np.median([each.volume_ml for each in free])) if free else 0.0,
    )


def is_lesion(logits: Tensor) -> Tensor:
    """Turn logits (B, 1 or 2, *axes) into a lesion mask (B, *axes)."""
    return logits[:, 0] > 0 if logits.shape[1] == 1 else logits[:, 1] > logits[:, 0]
