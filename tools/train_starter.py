"""Train small networks of all three members from nothing, once with every real case and once without each of them.

tools/train_starter.py models/mine --lesion-shapes shapes/ --real patient_1/ --real patient_2/ --work work/

Makes the synthetic cases, trains, calibrates, and measures: every left-out case by the networks that have not seen it,
and the bundle on synthetic cases that were held back. Killed and started again with the same options it goes on; with
others it needs another work folder.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepisles.training.folds import PARTS, find_part
from deepisles.training.layout import TrainingCase, find_training_cases

TOOLS = Path(__file__).resolve().parent
MEMBERS = {"seals": (), "nvauto": (), "swan": ("--kinds", "resunet_fold")}
"""SWAN's Swin Factorizers take several times as long on a CPU."""
SEEDS = {"shapes": 1_000_000, "emboli": 1_300_000, "tissue": 1_600_000, "calibration": 900_000, "held-back": 700_000}
"""No two sets of synthetic cases share a seed; tests take seeds below 1000."""
SHARES = {"emboli": 0.4, "tissue": 0.1, "calibration": 0.04, "held-back": 0.2}
"""Cases of a set over those with experts' shapes; "tissue" is per real case."""
MOST = {"calibration": 44, "held-back": 260}
"""Enough to choose shifts by, and to fill the model card's table."""
REAL_SHARE = 0.5
"""Real cases, repeated, over the synthetic ones in their tissue."""


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the bundle; those without a case are named after it")
    parser.add_argument("--lesion-shapes", type=Path, required=True, help="expert masks in MNI152 space")
    parser.add_argument("--real", type=Path, action="append", default=[], help="data set with one real case; repeat")
    parser.add_argument("--work", type=Path, required=True, help="folder for synthetic cases, states and results")
    parser.add_argument("--cases", type=int, default=3000, help="synthetic cases with experts' shapes (%(default)s)")
    parser.add_argument("--steps", type=int, default=12000, help="per network (%(default)s)")
    parser.add_argument("--steps-per-epoch", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2, help="processes that make cases, and that load crops")
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    if len({real.name for real in chosen.real}) < len(chosen.real):
        parser.error("two --real folders have one name, and what is made of them is named after them")
    for real in chosen.real:
        if len(find_training_cases(real)) != 1:
            parser.error(f"{real} must hold one case: give every real case a folder of its own")
    synthesise(chosen)
    for left_out in (None, *chosen.real):
        bundle = chosen.output if left_out is None else name_without(chosen.output, left_out)
        train(chosen, bundle, [real for real in chosen.real if real != left_out])
        measured = chosen.work / f"{bundle.name}-measured.json"
        data = chosen.work / "held-back" if left_out is None else left_out
        run(sys.executable, TOOLS / "measure_bundle.py", bundle, data, "--output", measured)


def name_without(output: Path, left_out: Path) -> Path:
    """Name the bundle that has not seen a case."""
    return output.with_name(f"{output.name}-without-{left_out.name}")


def synthesise(chosen: argparse.Namespace) -> None:
    """Make all synthetic cases that are not there yet."""
    for name, seed in SEEDS.items():
        count = max(int(chosen.cases * SHARES.get(name, 1.0)), PARTS)
        options: list[object] = ["--cases", min(count, MOST.get(name, count)), "--workers", chosen.workers]
        if name != "emboli":
            options += ["--lesion-shapes", chosen.lesion_shapes]
        if name != "tissue":
            run_deepisles("synthesise", chosen.work / name, "--seed", seed, *options)
            continue
        for number, real in enumerate(chosen.real):
            place = chosen.work / f"tissue-{real.name}"
            own = ["--real-tissue", real, "--real-tissue-share", 1]
            run_deepisles("synthesise", place, "--seed", seed + number * chosen.cases, *options, *own)


def train(chosen: argparse.Namespace, bundle: Path, reals: Sequence[Path]) -> None:
    """Train and calibrate a bundle on synthetic cases and some real ones; leave a finished one alone."""
    work = chosen.work / bundle.name
    # training again would put the networks as they were before calibration into the bundle
    finished = work / "finished"
    if finished.exists():
        return
    data = [chosen.work / "shapes", chosen.work / "emboli"]
    if reals:
        data.append(chosen.work / f"{bundle.name}.csv")
        write_table(data[-1], [*mix_real(chosen.work, reals)])
    work.mkdir(parents=True, exist_ok=True)
    cache = chosen.work / "examples"
    cache.mkdir(exist_ok=True)
    if not (work / "examples").exists():
        (work / "examples").symlink_to(cache.resolve(), target_is_directory=True)
    pace = ["--steps", chosen.steps, "--steps-per-epoch", chosen.steps_per_epoch, "--loaders", chosen.workers]
    for member, kinds in MEMBERS.items():
        place = ["--output", bundle, "--work", work, "--device", chosen.device]
        run_deepisles("train", member, *data, *place, *pace, *kinds)
    calibration = [bundle, chosen.work / "calibration", "--cache", cache, "--device", chosen.device]
    run(sys.executable, TOOLS / "calibrate_bundle.py", *calibration)
    finished.touch()


def mix_real(work: Path, reals: Sequence[Path]) -> Iterator[tuple[str, TrainingCase]]:
    """List strokes drawn in the tissue of real cases, and those cases over and over, under names of their own."""
    for real in reals:
        drawn = find_training_cases(work / f"tissue-{real.name}")
        yield from ((case.name, case) for case in drawn)
        (own,) = find_training_cases(real)
        names = (f"{real.name}-{number}" for number in range(10 * len(drawn)))
        # names of which none is held back: validation would be on a case that is trained on
        trained_on = [name for name in names if find_part(name, PARTS)]
        yield from ((name, own) for name in trained_on[: int(len(drawn) * REAL_SHARE)])


def write_table(path: Path, cases: Sequence[tuple[str, TrainingCase]]) -> None:
    """Write a table that `deepisles train` reads."""
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["case", "dwi", "adc", "mask", "flair"])
        for name, case in cases:
            files = (case.dwi, case.adc, case.mask, case.flair)
            writer.writerow([name, *("" if file is None else file.resolve() for file in files)])


def run_deepisles(*arguments: object) -> None:
    """Run a command of deepisles."""
    run(Path(sys.executable).with_name("deepisles"), *arguments)


def run(*command: object) -> None:
    """Run a command; stop with its exit code if it fails."""
    code = subprocess.run([str(part) for part in command], check=False).returncode  # noqa: S603 - our own tools
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
