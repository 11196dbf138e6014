"""Compares this code's speed with the history's newest entry; a warning is all that comes of being slower.

tools/check_speed.py [--pairs 3] [--history benchmarks/history] [--record]

Measures the sample case with models/starter: the members' time as a multiple of a calibration's, in turn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepisles.case.files import CaseFiles
from deepisles.cpu_threads import wait_passively
from deepisles.errors import DeepIslesError
from deepisles.options import SegmentOptions

PROJECT = Path(__file__).resolve().parent.parent
SAMPLE = PROJECT / "resources" / "sample"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; 0 however slow it is, an error's exit code where nothing could be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=Path, default=SAMPLE, help="folder with dwi.mha, adc.mha and flair.mha")
    parser.add_argument("--weights", type=Path, default=PROJECT / "models" / "starter")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--history", type=Path, default=PROJECT / "benchmarks" / "history")
    parser.add_argument("--pairs", type=int, default=3, help="how often calibration and case take turns")
    parser.add_argument("--record", action="store_true", help="write what was measured to the history")
    chosen = parser.parse_args(arguments)
    # as the front ends do, and before torch is imported
    wait_passively()
    from deepisles.bench.history import judge, read_history, write_entry
    from deepisles.bench.request import BenchRequest, count_threads
    from deepisles.bench.speed import measure_speed

    files = CaseFiles(*(chosen.case / f"{name}.mha" for name in ("dwi", "adc", "flair")))
    options = SegmentOptions(weights=chosen.weights, device=chosen.device)
    try:
        earlier = read_history(chosen.history)
        entry = measure_speed(BenchRequest(files, options, count_threads()), chosen.pairs)
    except DeepIslesError as error:
        sys.stderr.write(f"check_speed: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{entry.describe()}\n{judge(entry, earlier).describe()}\n")
    if chosen.record:
        sys.stdout.write(f"written: {write_entry(entry, chosen.history)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
