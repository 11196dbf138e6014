"""Threads that wait let others work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deepisles.cpu_threads import WAIT_POLICY

FRONT_ENDS = {
    "command line": "import sys; sys.argv[1:] = ['doctor-that-is-not']; from deepisles.cli import main as run",
    "container": "from deepisles.container import make_parser, begin; run = lambda: begin(make_parser(), [])",
}
ASK = """
import os, sys
try:
    run()
except SystemExit:
    pass
print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
"""


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("chosen", [None, "ACTIVE"])
def test_front_ends_choose_before_torch_is_there_unless_the_user_did(front_end, chosen):
    environment = {name: value for name, value in os.environ.items() if name != WAIT_POLICY}
    if chosen is not None:
        environment[WAIT_POLICY] = chosen
    done = subprocess.run(
        [sys.executable, "-c", f"{FRONT_ENDS[front_end]}\n{ASK}"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [chosen or "PASSIVE", "False"]
