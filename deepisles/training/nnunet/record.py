"""What a bundle keeps of a training by nnU-Net: numbers of the held-back cases, and which curves."""

from __future__ import annotations

import numpy as np

from deepisles.case.reading import read_volume
from deepisles.evaluation.metrics import compare_masks
from deepisles.training.nnunet.folders import FILE_ENDING, NnunetFolders
from deepisles.training.reading import TRUSTED
from deepisles.training.validation import ValidationResult

PANELS = {
    "crop_dice": "Dice of validation crops, moving average",
    "validation_loss": "Loss, validation",
    "loss": "Loss, training",
}
"""Keys of `deepisles.training.nnunet.result.TrainedFold.history`, and their titles."""


def measure_fold(folders: NnunetFolders, fold: int) -> ValidationResult:
    """Compare nnU-Net's masks of the fold's validation cases, whole and at 1 mm, with the experts'.

    Raises
    ------
    InputRefused, GeometryError
        If a mask cannot be read.
    """
    agreements = []
    for path in sorted(folders.predictions(fold).glob(f"*{FILE_ENDING}")):
        mask = read_volume(path, "predicted mask", allow_constant=True, decoder=TRUSTED)
        expert = read_volume(folders.labels / path.name, "lesion mask", allow_constant=True, decoder=TRUSTED)
        agreements.append(compare_masks(mask.array, expert.array, expert.grid.voxel_volume_ml))
    found = [each for each in agreements if each.expert_lesions]
    free = [each.volume_ml for each in agreements if not each.expert_lesions]
    return ValidationResult(
        dice=float(np.mean([each.dice for each in found])) if found else 0.0,
        lesion_f1=float(np.mean([each.lesion_f1 for each in found])) if found else 0.0,
        false_positive_ml=float(np.median(free)) if free else 0.0,
    )
