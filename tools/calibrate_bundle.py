"""Shift the lesion logits of a bundle's networks so that they do best on cases that they were not trained on.

tools/calibrate_bundle.py models/starter held_back_cases --cache cache
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deepisles.device import choose_device
from deepisles.training.calibration import calibrate, shift_lesion_logit
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
    parser.add_argument("--members", nargs="+", help="only these")
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    device = choose_device(chosen.device)
    cases = find_training_cases(chosen.data)
    bundle = Bundle.open(chosen.bundle)
    for member in chosen.members or bundle.member_names:
        recipe = find_recipe(member)
        entries = dict(bundle.manifest.members.items())[member].networks
        networks = []
        for entry, network in zip(entries, bundle.load_networks(member), strict=True):
            calibration = calibrate(network.to(device).eval(), cases, recipe, chosen.cache, device)
            for shift, result in calibration.results.items():
                sys.stderr.write(f"{member} {shift:+.1f}: {result}\n")
            shift_lesion_logit(network, calibration.best)
            networks.append(TrainedNetwork(Path(entry.file).stem, entry.architecture, network.cpu()))
            sys.stdout.write(f"{member} {networks[-1].name}: lesion logit {calibration.best:+.1f}\n")
        with put_member(chosen.bundle, recipe.member, recipe.settings, networks):
            pass


if __name__ == "__main__":
    main()
