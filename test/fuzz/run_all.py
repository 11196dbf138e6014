"""Runs every fuzzing target with every engine that is installed, one after the other."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.targets import TARGETS

FOLDER = Path(__file__).resolve().parent
STUCK_SECONDS = 120
"""How much longer than asked for an engine may take before it counts as hanging."""


def command_of(engine: str, target: str, seconds: float, corpus: Path, found: Path) -> list[str]:
    if engine == "hypothesis":
        return [sys.executable, str(FOLDER / "by_hypothesis.py"), target, str(seconds)]
    options = [f"-max_total_time={max(1, round(seconds))}", "-timeout=60", "-rss_limit_mb=2048", "-max_len=4096"]
    script = [sys.executable, str(FOLDER / "by_atheris.py"), target, str(corpus)]
    return [*script, *options, f"-artifact_prefix={found}/{target}-"]


def fuzz(engine: str, target: str, seconds: float, corpora: Path, found: Path) -> bool:
    """Run one engine on one target and say what came of it; True if it found nothing."""
    corpus = corpora / target
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    command = command_of(engine, target, seconds, corpus, found)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(FOLDER.parents[1]), str(FOLDER.parent)))}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment, timeout=seconds + STUCK_SECONDS
        )
        said, passed = answer.stdout + answer.stderr, answer.returncode == 0
    except subprocess.TimeoutExpired as late:
        said, passed = f"It did not end in time.\n{late.stdout!r}\n{late.stderr!r}", False
    tried = re.search(r"^(\d+) inputs$|^Done (\d+) runs", said, re.MULTILINE)
    passed = passed and tried is not None
    count = next(filter(None, tried.groups())) if tried else "unknown"
    sys.stdout.write(f"{engine:10} {target:12} {count:>8} inputs  {'nothing found' if passed else 'FAILED'}\n")
    if not passed:
        sys.stdout.write(said[-6000:] + f"\nInputs that fail are kept in {found}.\n")
    sys.stdout.flush()
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(prog="test/fuzz/run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="for all targets together (default: 120)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one; may be repeated")
    parser.add_argument("--corpus", type=Path, help="a folder in which atheris keeps what it found for the next time")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="where inputs that fail are kept")
    options = parser.parse_args()
    engines = ["hypothesis"]
    if importlib.util.find_spec("atheris"):
        engines.append("atheris")
    else:
        sys.stdout.write(
            "atheris is not installed: fuzzing with hypothesis alone, which does not see what code runs.\n"
        )
    targets = options.target or list(TARGETS)
    seconds = options.seconds / (len(engines) * len(targets))
    with tempfile.TemporaryDirectory(prefix="fuzz-corpus-") as folder:
        corpora = options.corpus or Path(folder)
        passed = [fuzz(engine, target, seconds, corpora, options.found) for target in targets for engine in engines]
    if all(passed):
        # what is left is empty
        options.found.rmdir()
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
