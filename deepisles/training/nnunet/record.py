"""What a bundle keeps of a training by nnU-Net: numbers of the held-back cases, and the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deepisles.case.reading import read_volume
from deepisles.evaluation.metrics import compare_masks
from deepisles.training.nnunet.folders import FILE_ENDING, NnunetFolders
from deepisles.training.validation import ValidationResult


def measure_fold(folders: NnunetFolders, fold: int) -> ValidationResult:
    """Compare nnU-Net's masks of the fold's validation cases, whole and at 1 mm, with the experts'.

    Raises
    ------
    InputRefused, GeometryError
        If a mask cannot be read.
    """
    agreements = []
    for path in sorted(folders.predictions(fold).glob(f"*{FILE_ENDING}")):
        mask = read_volume(path, "predicted mask", allow_constant=True)
        expert = read_volume(folders.labels / path.name, "lesion mask", allow_constant=True)
        agreements.append(compare_masks(mask.array, expert.array, expert.grid.voxel_volume_ml))
    found = [each for each in agreements if each.expert_lesions]
    free = [each.volume_ml for each in agreements if not each.expert_lesions]
    return ValidationResult(
        dice=float(np.mean([each.dice for each in found])) if found else 0.0,
        lesion_f1=float(np.mean([each.lesion_f1 for each in found])) if found else 0.0,
        false_positive_ml=float(np.median(free)) if free else 0.0,
    )


def draw_history(histories: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw losses, and Dice of validation crops, by epoch, a line per network.

    Parameters
    ----------
    histories : mapping of str to sequence of mappings
        `deepisles.training.nnunet.result.TrainedFold.history` by network.
    path : Path
        Where; .png.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (key, title) in zip(
        figure.subplots(1, 3),
        (
            ("crop_dice", "Dice of validation crops, moving average"),
            ("validation_loss", "Loss, validation"),
            ("loss", "Loss, training"),
        ),
        strict=True,
    ):
        for name, entries in histories.items():
            axes.plot([entry["epoch"] for entry in entries], [entry[key] for entry in entries], label=name)
        axes.set(title=title, xlabel="epochs")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)
