"""Measure a weights bundle on a data set with expert masks: a JSON with every case, and tables for the model card.

tools/measure_bundle.py models/starter data_set --output measured.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from deepisles import Ensemble
from deepisles.case.reading import read_volume
from deepisles.errors import GeometryError, InputRefused
from deepisles.evaluation.metrics import Agreement, compare_masks
from deepisles.training.layout import TrainingCase, find_training_cases

VOTE = "vote"
SIZES_ML = ((0.0, 5.0), (5.0, 20.0), (20.0, float("inf")))
SLICES_MM = ((0.0, 3.0), (3.0, 4.5), (4.5, 10.0))
OVERLOOKED_ML = 1.0
"""An expert's lesion volume from which an empty mask is a failure."""


@dataclass(frozen=True)
class Measured:
    """One case: how the vote and every member agree with the expert."""

    case: str
    slice_mm: float
    seconds: float
    agreements: dict[str, Agreement]

    @property
    def expert_volume_ml(self) -> float:
        """Lesion volume of the expert's mask."""
        return self.agreements[VOTE].expert_volume_ml


def measure_case(ensemble: Ensemble, case: TrainingCase) -> Measured:
    """Segment one case and compare."""
    expert = read_volume(case.mask, "mask", allow_constant=True)
    flair = case.flair if case.flair is not None and case.flair.is_file() else None
    lies_on_dwi = flair is not None and read_volume(flair, "FLAIR").grid.matches(expert.grid, 0.01)
    result = ensemble.segment(case.dwi, case.adc, flair, registration="none" if lies_on_dwi else "auto")
    masks = {VOTE: result.mask.array} | {name: prediction.mask for name, prediction in result.predictions.items()}
    voxel_ml = expert.grid.voxel_volume_ml
    agreements = {name: compare_masks(mask, expert.array, voxel_ml) for name, mask in masks.items()}
    seconds = float(sum(result.report.timing_seconds.values()))
    return Measured(case.name, expert.grid.spacing_mm[2], seconds, agreements)


def tabulate(measured: Sequence[Measured]) -> str:
    """Lay out the tables of a model card."""
    strokes = [each for each in measured if each.expert_volume_ml > 0]
    free = [each for each in measured if each.expert_volume_ml == 0]
    groups: list[tuple[str, list[Measured]]] = [("all", strokes)]
    groups += [
        (f"{low:g} to {high:g} ml", [each for each in strokes if low < each.expert_volume_ml <= high])
        for low, high in SIZES_ML
    ]
    groups += [
        (f"slices {low:g} to {high:g} mm", [each for each in strokes if low < each.slice_mm <= high])
        for low, high in SLICES_MM
    ]
    lines = [
        "| strokes | cases | who | Dice, median (quartiles) | lesion F1 | volume difference, ml |",
        "|---|---|---|---|---|---|",
    ]
    for title, group in groups:
        for who in list_names(group):
            agreements = [each.agreements[who] for each in group if who in each.agreements]
            spread = [summarise(agreements, get) for get in (get_dice, get_lesion_f1, get_volume_difference)]
            lines.append(f"| {title} | {len(agreements)} | {who} | {' | '.join(spread)} |")
    overlooked = [
        each.case for each in strokes if each.expert_volume_ml > OVERLOOKED_ML and not each.agreements[VOTE].volume_ml
    ]
    lines += ["", f"Lesions above {OVERLOOKED_ML:g} ml with an empty mask: {len(overlooked)} {', '.join(overlooked)}"]
    for who in list_names(free):
        volumes = [each.agreements[who].volume_ml for each in free if who in each.agreements]
        lines.append(
            f"Lesion-free cases ({len(volumes)}), {who}: median {np.median(volumes):.2f} ml, "
            f"95th percentile {np.percentile(volumes, 95):.2f} ml"
        )
    lines.append(f"Seconds per case: median {np.median([each.seconds for each in measured]):.1f}")
    return "\n".join(lines)


def list_names(group: Sequence[Measured]) -> list[str]:
    """List the vote and the members that answered in any case of a group, the vote first."""
    return list(dict.fromkeys(name for each in group for name in each.agreements))


def summarise(agreements: Sequence[Agreement], get: Callable[[Agreement], float]) -> str:
    """Write median and quartiles."""
    low, middle, high = np.percentile([get(each) for each in agreements], (25, 50, 75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def get_dice(agreement: Agreement) -> float:
    """Take the Dice coefficient."""
    return agreement.dice


def get_lesion_f1(agreement: Agreement) -> float:
    """Take the lesion-wise F1."""
    return agreement.lesion_f1


def get_volume_difference(agreement: Agreement) -> float:
    """Take the absolute volume difference in ml."""
    return agreement.volume_difference_ml


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="data set in ISLES'22's layout, or a .csv table")
    parser.add_argument("--output", type=Path, required=True, help="JSON file for the numbers")
    parser.add_argument("--most", type=int, help="stop after so many cases")
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    ensemble = Ensemble.load(chosen.bundle, chosen.device)
    measured, refused = [], []
    for case in find_training_cases(chosen.data)[: chosen.most]:
        try:
            measured.append(measure_case(ensemble, case))
        except (InputRefused, GeometryError) as error:
            refused.append(case.name)
            sys.stderr.write(f"{case.name}: refused. {error}\n")
            continue
        sys.stderr.write(f"{case.name}: Dice {measured[-1].agreements[VOTE].dice:.3f}\n")
        # after every case, so that a run that is stopped leaves what it measured
        chosen.output.write_text(json.dumps([asdict(each) for each in measured], indent=1) + "\n", encoding="utf-8")
    if not measured:
        sys.exit(f"Every case of {chosen.data} was refused: nothing was measured.")
    sys.stdout.write(f"{tabulate(measured)}\nRefused: {len(refused)} {', '.join(refused)}\n")


if __name__ == "__main__":
    main()
