"""Segment a case on two devices with the same weights, and say how well the masks agree.

``python tools/compare_devices.py CASE --weights models/tiny --devices cuda:0 cpu --output parity.json``
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepisles.case.layouts import find_plain_case
from deepisles.evaluation.metrics import compare_masks
from deepisles.options import SegmentOptions
from deepisles.segmenting import load_ensemble, segment_files

VOTE = "vote"


@dataclass(frozen=True)
class Answer:
    """The vote's and every member's mask on one device."""

    masks: dict[str, NDArray[np.uint8]]
    voxel_volume_ml: float


def segment(case: Path, weights: Path, device: str) -> Answer:
    """Segment in the exact profile; the FLAIR is registered rigidly, which comes out the same every time."""
    options = SegmentOptions(weights=weights, device=device, registration="rigid", pictures="none")
    result = segment_files(load_ensemble(options), find_plain_case(case), options)
    masks = {VOTE: result.mask.array, **{name: each.mask for name, each in result.predictions.items()}}
    return Answer(masks, result.mask.grid.voxel_volume_ml)


def compare(first: Answer, second: Answer) -> dict[str, dict[str, Any]]:
    """Compare mask by mask: Dice and both volumes, in ml."""
    compared: dict[str, dict[str, Any]] = {}
    for name, mask in first.masks.items():
        agreement = compare_masks(mask, second.masks[name], first.voxel_volume_ml)
        compared[name] = {"dice": agreement.dice, "volumes_ml": [agreement.volume_ml, agreement.expert_volume_ml]}
    return compared


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path, help="folder with dwi.*, adc.* and flair.*")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--devices", nargs=2, required=True)
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    chosen = parser.parse_args()
    first, second = (segment(chosen.case, chosen.weights, device) for device in chosen.devices)
    told = {"devices": chosen.devices, "masks": compare(first, second)}
    chosen.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for name, agreement in told["masks"].items():
        sys.stdout.write(f"{name}: Dice {agreement['dice']:.5f}, volumes {agreement['volumes_ml']} ml\n")


if __name__ == "__main__":
    main()
