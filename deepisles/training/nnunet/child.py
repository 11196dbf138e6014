"""Runs nnU-Net in a child process, whose environment holds nnU-Net's folders; this process' own stays as it is."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import torch

from deepisles.errors import MemberFailed
from deepisles.training.nnunet.folders import NnunetFolders
from deepisles.training.nnunet.orders import Order, PlanOrder, TrainOrder, write_order

logger = logging.getLogger(__name__)

WORKER = "deepisles.training.nnunet.worker"
LOOK_EVERY_SECONDS = 0.5
NEWS = re.compile(r": (Epoch \d+|train_loss .*|Pseudo dice .*)$")
"""What nnU-Net says once an epoch, which it counts from 0; all else is of interest when something goes wrong."""


def run_nnunet(order: Order, folders: NnunetFolders, loaders: int, device: torch.device) -> None:
    """Let nnU-Net follow an order; what it prints goes to its log file and to this module's logger.

    Parameters
    ----------
    order : PlanOrder or TrainOrder
        What to do.
    folders : NnunetFolders
        Where.
    loaders : int
        Processes that prepare crops beside the training; 0 for none.
    device : torch.device
        Where networks are trained.

    Raises
    ------
    MemberFailed
        If nnU-Net stopped with an error or was killed.
    """
    folders.root.mkdir(parents=True, exist_ok=True)
    with folders.log.open("ab") as log, folders.log.open(encoding="utf-8", errors="replace") as said:
        said.seek(0, os.SEEK_END)
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_make_environment(order, folders, loaders, device),
            # a group of its own, so that its own children end with it
            start_new_session=True,
        )
        try:
            code = _follow(child, order, said)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if code != 0:
        raise MemberFailed(
            f"nnU-Net stopped while {_describe(order)} (code {code}): the end of {folders.log} says why; "
            f"the same command goes on from there."
        )


def _follow(child: subprocess.Popen[bytes], order: Order, said: TextIO) -> int:
    """Give the order, pass on what the child says, and wait for its end; give its exit code."""
    if child.stdin is None:
        raise RuntimeError("the child process takes no order")
    # stays open: its end tells the child that this process has ended
    with suppress(BrokenPipeError), child.stdin as orders:
        orders.write(f"{write_order(order)}\n".encode())
        orders.flush()
        code = None
        while code is None:
            with suppress(subprocess.TimeoutExpired):
                code = child.wait(LOOK_EVERY_SECONDS)
            for line in said:
                logger.log(logging.INFO if NEWS.search(line.rstrip()) else logging.DEBUG, "nnU-Net: %s", line.rstrip())
    return child.wait()


def _make_environment(order: Order, folders: NnunetFolders, loaders: int, device: torch.device) -> dict[str, str]:
    package_parent = str(Path(__file__).resolve().parents[3])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (package_parent, os.environ.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        "nnUNet_raw": str(folders.raw.resolve()),
        "nnUNet_preprocessed": str(folders.preprocessed.resolve()),
        "nnUNet_results": str(folders.results.resolve()),
        "nnUNet_def_n_proc": str(max(loaders, 1)),
        # planning takes this for a number of threads, of which there is no 0
        "nnUNet_n_proc_DA": str(max(loaders, 1) if isinstance(order, PlanOrder) else loaders),
    }
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        # torch.compile, which nnU-Net uses on CUDA unless told not to, needs a C compiler
        environment.setdefault("nnUNet_compile", "f")
    if device.type == "cuda":
        # nnU-Net takes the first device it sees
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        index = device.index or 0
        environment["CUDA_VISIBLE_DEVICES"] = visible.split(",")[index] if visible else str(index)
    return environment


def _describe(order: Order) -> str:
    return f"training fold {order.fold}" if isinstance(order, TrainOrder) else "planning and preprocessing"
