"""Kills a case at random moments and looks at what it leaves: ``python test/kill_runs.py [TIMES]``.

Every process segments a small case, for real, into a folder that holds another case's results, and is killed (SIGKILL)
at a moment drawn from the time that it takes; half of the moments lie in the writing, which begins with the removal of
the other case's report. A folder with a report.json must be whole: all of the one case or all of the other.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case

from deepisles import Ensemble
from deepisles.case.volume import Volume

WRITING_SHARE = 0.3
"""The part of a run that is writing, about."""


def start(ensemble: Ensemble, case: dict[str, Path], output: Path) -> int:
    """Segment and write in a process of its own; give its number."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        ensemble.segment(**case, registration="none").save(output, save_members=True)
        code = 0
    finally:
        os._exit(code)


def finish(process: int) -> int:
    """Wait for a process; give its exit code, negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def is_running(process: int) -> bool:
    """Whether a process has not ended yet; one that has is left to be waited for."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def read_results(folder: Path) -> dict[str, bytes]:
    """Read a folder's results; of the report what does not depend on the clock. Pages show the clock too."""
    found = {path.name: path.read_bytes() for path in sorted(folder.rglob("*.nii.gz"))}
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found["volume"] = str(report["lesion_volume_ml"]).encode()
    found["pages"] = str(sorted(path.name for path in folder.iterdir() if path.suffix in (".html", ".png"))).encode()
    return found


def kill_runs(times: int, folder: Path, seed: int = 0) -> dict[str, int]:
    """Kill so many runs; count what they left."""
    torch.set_num_threads(1)
    images, _ = make_bright_case()
    other = {name: Volume(np.ascontiguousarray(volume.array[::-1]), volume.grid) for name, volume in images.items()}
    for name in ("first", "second"):
        (folder / name).mkdir()
    first, second = write_case(folder / "first", images), write_case(folder / "second", other)
    ensemble = Ensemble.load(make_threshold_bundle(folder / "weights"), device="cpu")
    for case, name in ((first, "first-results"), (second, "second-results")):
        began = time.monotonic()
        if finish(start(ensemble, case, folder / name)):
            raise RuntimeError("the case itself failed")
        took_seconds = time.monotonic() - began
    whole = {name: read_results(folder / f"{name}-results") for name in ("first", "second")}
    rng = np.random.default_rng(seed)
    counts = {"killed": 0, "ended before": 0, "whole, the earlier case": 0, "whole, this case": 0, "not complete": 0}
    for number in range(times):
        output = folder / "output"
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(folder / "first-results", output)
        process = start(ensemble, second, output)
        if number % 2:
            while (output / "report.json").exists() and is_running(process):
                time.sleep(0.002)
            time.sleep(took_seconds * WRITING_SHARE * rng.uniform())
        else:
            time.sleep(took_seconds * rng.uniform())
        os.kill(process, signal.SIGKILL)
        counts["killed" if finish(process) == -signal.SIGKILL else "ended before"] += 1
        if not (output / "report.json").exists():
            counts["not complete"] += 1
            continue
        results = read_results(output)
        if results not in whole.values():
            raise AssertionError(f"run {number} left a folder that looks complete and is not")
        counts["whole, the earlier case" if results == whole["first"] else "whole, this case"] += 1
    return counts


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        counted = kill_runs(int(sys.argv[1]) if len(sys.argv) > 1 else 200, Path(scratch))
    sys.stdout.write(json.dumps(counted, indent=1) + "\n")
