"""The child process that runs nnU-Net, which finds its folders in the environment and prints what it does.

The first line on stdin is the order. The end of stdin is the end of the process that gave it: then this one ends too,
with all that it started, since two trainings of one fold would spoil each other's state.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from deepisles.training.nnunet.orders import PlanOrder, read_order


def main() -> None:
    """Follow one order."""
    order = read_order(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # nnU-Net and torch are imported here only: this file is imported again by every process that nnU-Net starts
    if isinstance(order, PlanOrder):
        from deepisles.training.nnunet.planning import plan

        plan(order)
    else:
        from deepisles.training.nnunet.fitting import train_fold

        train_fold(order)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
