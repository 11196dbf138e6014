"""A case that is killed at any moment leaves no folder that looks complete and is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TIMES = 24


def test_killed_runs_leave_nothing_that_looks_complete() -> None:
    # in a process of its own: it forks, which one with threads must not
    script = Path(__file__).with_name("kill_runs.py")
    done = subprocess.run([sys.executable, script, str(TIMES)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["killed"] > TIMES / 2
    assert counts["not complete"] > 0, "some were killed while they wrote"
    assert sum(counts[key] for key in ("whole, the earlier case", "whole, this case", "not complete")) == TIMES
