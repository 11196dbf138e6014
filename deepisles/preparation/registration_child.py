"""A child process that registers two images."""

from __future__ import annotations

import io
import logging
import threading
import time
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from deepisles.case.volume import Volume
from deepisles.child_process import start_worker
from deepisles.errors import MemberFailed

logger = logging.getLogger(__name__)

TIME_LIMIT_SECONDS = 3600
"""Elastix' three stages take about 50 CPU seconds; an hour is a hang."""
Task = Literal["bend", "align", "turn"]
"""Lay an image onto another by B-splines, find an affine transform, or lay it onto the other by a rigid one."""
WORKERS: Final[dict[Task, tuple[str, str]]] = {
    "bend": ("Elastix", "deepisles.preparation.elastix_worker"),
    "align": ("Elastix", "deepisles.preparation.elastix_worker"),
    "turn": ("SimpleITK", "deepisles.preparation.rigid_worker"),
}
"""The library that does it, and the module that runs in the child."""


class RegistrationChild:
    """A child process that loads its library at once, and registers two images when it is given them.

    Loading Elastix takes 10 CPU seconds, so that it pays to start early. Whoever starts it closes it, whatever
    happened.

    Parameters
    ----------
    task : str
        What it will be asked for.
    purpose : str
        What is done, for messages: "Registering FLAIR to DWI".
    """

    def __init__(self, task: Task, purpose: str) -> None:
        self.seconds = 0.0
        self._task: Task = task
        self._library, worker = WORKERS[task]
        self._purpose = purpose
        self._answer = b""
        self._complaint = b""
        self._exchange: threading.Thread | None = None
        self._child = start_worker(worker)

    def close(self) -> None:
        """End the process, if it has not ended."""
        if self._child.poll() is None:
            self._child.kill()
        # an interruption may have come before the exchange began
        if self._exchange is None or self._exchange.ident is None:
            self._child.communicate()
        else:
            self._exchange.join()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._child.poll() is None

    def send(self, fixed: Volume, moving: Volume) -> None:
        """Give it its two images, arrays (z, y, x), and go on; to be called once."""
        self._exchange = threading.Thread(target=self._talk, args=(_pack(self._task, fixed, moving),), daemon=True)
        self._exchange.start()

    def result(self, advice: str) -> NDArray[Any]:
        """Wait for its answer.

        Parameters
        ----------
        advice : str
            What a user should do if it fails: "check that both show the same head".

        Raises
        ------
        MemberFailed
            If the library failed, crashed or did not end.
        """
        if self._exchange is None:
            raise ValueError("nothing was sent that could be registered")
        self._exchange.join(TIME_LIMIT_SECONDS)
        if self._exchange.is_alive():
            raise MemberFailed(f"{self._purpose} did not end within an hour: {advice}.")
        if self._child.returncode != 0:
            logger.debug("%s said: %s", self._library, self._complaint.decode(errors="replace"))
            code = self._child.returncode
            raise MemberFailed(f"{self._purpose} failed ({self._library} ended with code {code}): {advice}.")
        answer: NDArray[Any] = np.load(io.BytesIO(self._answer), allow_pickle=False)
        return answer

    def _talk(self, request: bytes) -> None:
        started = time.monotonic()
        self._answer, self._complaint = self._child.communicate(request)
        self.seconds = time.monotonic() - started


def _pack(task: Task, fixed: Volume, moving: Volume) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, NDArray[Any]] = {"task": np.array(task)}
    for role, volume in (("fixed", fixed), ("moving", moving)):
        arrays[role] = volume.array.astype(np.float32)
        arrays[f"{role}_spacing"] = np.array(volume.grid.spacing_mm, dtype=np.float64)
        arrays[f"{role}_origin"] = np.array(volume.grid.origin_mm, dtype=np.float64)
        arrays[f"{role}_direction"] = np.array(volume.grid.direction, dtype=np.float64)
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
