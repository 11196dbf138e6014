"""The code as it is beside another revision of it, or one profile beside another, pair by pair."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from deepisles.bench.request import BenchRequest
from deepisles.bench.spread import Spread
from deepisles.errors import DeepIslesError, InputRefused
from deepisles.options import Profile
from deepisles.software import PACKAGE_PARENT
from deepisles.weights.locate import open_weights

RUN_BENCH = "from deepisles.cli import main; main()"
TOTAL = "case"


@dataclass(frozen=True)
class Contest:
    """Seconds per stage of repeated cases, this code's and the other's, in the order in which they ran.

    Parameters
    ----------
    name : str
        The other: a revision or a profile.
    here, other : sequence of mapping
        Seconds by stage, the whole case as "case"; as long as each other.
    """

    name: str
    here: Sequence[Mapping[str, float]]
    other: Sequence[Mapping[str, float]]

    def compare(self) -> dict[str, Spread]:
        """Ratios other / here of the stages that every case has: above 1 this code is faster."""
        stages = [
            stage for stage in self.here[0] if all(case.get(stage, 0.0) > 0 for case in (*self.here, *self.other))
        ]
        return {
            stage: Spread.of(other[stage] / here[stage] for here, other in zip(self.here, self.other, strict=True))
            for stage in stages
        }


def measure_against(name: str, request: BenchRequest, repeats: int) -> Contest:
    """Measure the case in turn by this code and by another revision's, or by this code in another profile.

    Parameters
    ----------
    name : str
        A profile, or whatever git takes as a revision.
    request : BenchRequest
        The case; the weights are the same for both.
    repeats : int
        Number of pairs.

    Raises
    ------
    InputRefused
        If the name is neither, or the code's git repository is not there.
    DeepIslesError
        If one of the two fails.
    """
    weights = open_weights(request.options.weights).folder
    request = replace(request, options=replace(request.options, weights=weights))
    here: list[dict[str, float]] = []
    other: list[dict[str, float]] = []
    with _find_code(name) as code:
        options = [] if code is not PACKAGE_PARENT else ["--profile", name]
        for _ in range(repeats):
            here.append(_run(PACKAGE_PARENT, request, ["--profile", request.options.profile]))
            other.append(_run(code, request, options))
    return Contest(name, here, other)


def tabulate_contest(contest: Contest) -> str:
    """Lay out medians of the seconds, and of the paired ratios with the least and the most."""
    lines = [
        f"{len(contest.here)} pair(s) in turn",
        f"{'median seconds':<22}{contest.name[:14]:>14}{'here':>10}{'ratio':>26}",
    ]
    for stage, ratio in contest.compare().items():
        here, other = (Spread.of(case[stage] for case in side) for side in (contest.here, contest.other))
        lines.append(f"{stage:<22}{other.median:>14.2f}{here.median:>10.2f}{ratio!s:>26}")
    return "\n".join(lines)


def describe_contest(contest: Contest, request: BenchRequest) -> dict[str, Any]:
    """Put everything that was measured into what JSON can hold."""
    return {
        "kind": "against",
        "other": contest.name,
        "device": request.options.device,
        "threads": request.threads,
        "ratios": {stage: asdict(ratio) for stage, ratio in contest.compare().items()},
        "seconds": {"here": list(contest.here), "other": list(contest.other)},
    }


@contextmanager
def _find_code(name: str) -> Iterator[Path]:
    """Give the folder of the other's code: this one's for a profile, else a revision checked out for the time."""
    if name in get_args(Profile):
        yield PACKAGE_PARENT
        return
    if shutil.which("git") is None or not (PACKAGE_PARENT / ".git").exists():
        raise InputRefused(f"There is no profile called {name!r}, and no git repository here to look for a revision.")
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit is None:
        raise InputRefused(
            f"{name!r} is neither a profile nor a revision: give one of {', '.join(get_args(Profile))}, or a revision."
        )
    with tempfile.TemporaryDirectory(prefix="deepisles-") as folder:
        code = Path(folder) / "code"
        if _git("worktree", "add", "--detach", str(code), commit) is None:
            raise DeepIslesError(
                f"git cannot check out {name}: run git worktree prune, and see that the disk has room."
            )
        try:
            yield code
        finally:
            _git("worktree", "remove", "--force", str(code))


def _git(*arguments: str) -> str | None:
    """Ask git; None where it says no."""
    git = shutil.which("git") or "git"
    asked = subprocess.run(  # noqa: S603 - git, with checked arguments
        [git, "-C", str(PACKAGE_PARENT), *arguments], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else None


def _run(code: Path, request: BenchRequest, options: Sequence[str]) -> dict[str, float]:
    """Run a revision's own `deepisles bench` in a process of its own, and take its stages' seconds."""
    told = request.to_json()
    arguments = [
        f"--{name}={told[name]}" for name in ("dwi", "adc", "flair", "weights", "device", "registration") if told[name]
    ]
    if request.options.members:
        arguments.append(f"--members={','.join(request.options.members)}")
    threads = str(request.threads)
    with tempfile.TemporaryDirectory(prefix="deepisles-") as folder:
        answer = Path(folder) / "cost.json"
        done = subprocess.run(  # noqa: S603 - our own interpreter and code
            # -P: else a numpy.py in the current folder would run
            [sys.executable, "-P", "-c", RUN_BENCH, "bench", *arguments, *options, f"--json={answer}"],
            env={**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise DeepIslesError(f"deepisles bench ended with code {done.returncode}: {last}")
        cost = json.loads(answer.read_text(encoding="utf-8"))
    # revisions from before there were warm runs wrote the one run by itself
    run = cost.get("cold", cost)
    seconds = {name: float(stage["wall_seconds"]) for name, stage in run["stages"].items()}
    return {**seconds, TOTAL: float(run["total_seconds"])}
