"""Shift the lesion logits of a bundle's members so that their vote does best on cases that they were not trained on.

tools/calibrate_bundle.py models/starter held_back_cases --cache cache
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deepisles.device import choose_device
from deepisles.training.calibration import calibrate, predict_members, shift_lesion_logit
from deepisles.training.layout import find_training_cases
from deepisles.training.recipes import find_recipe
from deepisles.weights.bundle import Bundle
from deepisles.weights.merging import TrainedNetwork, put_member


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="made by `deepisles train`; it is changed in place")
    parser.add_argument("data", type=Path, help="data set in ISLES'22's layout, or a .csv table")
    parser.add_argument("--cache", type=Path, required=True, help="folder for prepared cases")
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    device = choose_device(chosen.device)
    bundle = Bundle.open(chosen.bundle)
    networks = {
        member: [network.to(device).eval() for network in bundle.load_networks(member)]
        for member in bundle.member_names
    }
    calibration = calibrate(predict_members(networks, find_training_cases(chosen.data), chosen.cache, device))
    for member in bundle.member_names:
        shift = calibration.shifts[member]
        entries = dict(bundle.manifest.members.items())[member].networks
        shifted = []
        for entry, network in zip(entries, networks[member], strict=True):
            shift_lesion_logit(network, shift)
            shifted.append(TrainedNetwork(Path(entry.file).stem, entry.architecture, network.cpu()))
        recipe = find_recipe(member)
        with put_member(chosen.bundle, recipe.member, recipe.settings, shifted):
            pass
        sys.stdout.write(f"{member}: lesion logit {shift:+.2f}\n")
    sys.stdout.write(f"vote before: {calibration.before}\nvote after: {calibration.after}\n")


if __name__ == "__main__":
    main()
