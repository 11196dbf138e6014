"""A server that is told to stop ends within seconds, also in the middle of a network."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

import psutil


def end_soon_after_a_signal(grace_seconds: float, exit_code: int) -> None:
    """From the first signal with a handler on, let this process end by itself for a while, then end it.

    Python runs a handler only when the main thread comes back from what it computes, which can take longer than the
    platform waits. So a thread of its own hears of the signal too, and ends the process and its children.

    Parameters
    ----------
    grace_seconds : float
        How long the handler has.
    exit_code : int
        What the process ends with if that was too short.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    threading.Thread(target=_wait_and_end, args=(heard, grace_seconds, exit_code), name="stopping", daemon=True).start()


def _wait_and_end(heard: int, grace_seconds: float, exit_code: int) -> None:
    os.read(heard, 1)
    time.sleep(grace_seconds)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    # no clean-up: what is running cannot be interrupted
    os._exit(exit_code)
