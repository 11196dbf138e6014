"""How the threads of a computation wait for each other."""

from __future__ import annotations

import os
from typing import Final

WAIT_POLICY: Final = "OMP_WAIT_POLICY"


def wait_passively() -> None:
    """Let threads that wait for others sleep instead of spinning, unless whoever started the process chose.

    OpenMP's threads spin by default. Where another process wants the same CPU, as the registration beside the networks
    does, they keep it from those that they wait for: on two busy CPUs a small network took twelve times as long. OpenMP
    reads this when PyTorch is first imported, so front ends call it before that.
    """
    os.environ.setdefault(WAIT_POLICY, "PASSIVE")
