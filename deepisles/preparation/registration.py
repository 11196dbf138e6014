"""FLAIR onto the DWI's grid, beside the members that do not need it."""

from __future__ import annotations

import io
import logging
import threading
import time
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from deepisles.case.volume import Grid, Volume
from deepisles.child_process import start_worker
from deepisles.errors import GeometryError, MemberFailed
from deepisles.preparation.common_grid import SAME_GRID_TOLERANCE_MM, require_overlap

logger = logging.getLogger(__name__)

WORKER = "deepisles.preparation.elastix_worker"
TIME_LIMIT_SECONDS = 3600
"""Elastix' three stages take about 50 CPU seconds; an hour is a hang."""


def take_registered(dwi: Grid, flair: Volume) -> Volume:
    """Use a FLAIR that already lies on the DWI's grid.

    Raises
    ------
    GeometryError
        If its grid is another one.
    """
    if not flair.grid.matches(dwi, SAME_GRID_TOLERANCE_MM):
        raise GeometryError(
            "The FLAIR image does not lie on the DWI's grid: leave out --registration none, so that it is registered."
        )
    return Volume(flair.array.astype(np.float32), dwi)


class FlairRegistration:
    """Elastix at work in a child process: start it, do something else, then ask for the result.

    Leaving the `with` block ends the child, whatever happened.

    Parameters
    ----------
    dwi, flair : Volume
        Fixed and moving image, arrays (z, y, x), each on its own grid.

    Raises
    ------
    GeometryError
        If the FLAIR covers less than half of the DWI's field of view.
    """

    def __init__(self, dwi: Volume, flair: Volume) -> None:
        require_overlap(dwi.grid, flair.grid, "FLAIR")
        self._dwi_grid = dwi.grid
        self._started = time.monotonic()
        self._answer = b""
        self._complaint = b""
        self.seconds = 0.0
        self._child = start_worker(WORKER)
        self._exchange = threading.Thread(target=self._talk, args=(_pack(dwi, flair),), daemon=True)
        self._exchange.start()

    def __enter__(self) -> FlairRegistration:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._exchange.join()

    def result(self) -> Volume:
        """Wait for the registered FLAIR, float32 (z, y, x) on the DWI's grid.

        Raises
        ------
        MemberFailed
            If Elastix failed, crashed or did not end.
        """
        self._exchange.join(TIME_LIMIT_SECONDS)
        if self._exchange.is_alive():
            raise MemberFailed("Registering FLAIR to DWI did not end within an hour: check both images.")
        if self._child.returncode != 0:
            logger.debug("Elastix said: %s", self._complaint.decode(errors="replace"))
            raise MemberFailed(
                f"Registering FLAIR to DWI failed (Elastix ended with code {self._child.returncode}): "
                f"check that both show the same head, or leave the FLAIR out."
            )
        registered = np.load(io.BytesIO(self._answer), allow_pickle=False)
        return Volume(registered.astype(np.float32, copy=False), self._dwi_grid)

    def _talk(self, request: bytes) -> None:
        self._answer, self._complaint = self._child.communicate(request)
        self.seconds = time.monotonic() - self._started


def _pack(fixed: Volume, moving: Volume) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, NDArray[np.floating]] = {}
    for role, volume in (("fixed", fixed), ("moving", moving)):
        arrays[role] = volume.array.astype(np.float32)
        arrays[f"{role}_spacing"] = np.array(volume.grid.spacing_mm, dtype=np.float64)
        arrays[f"{role}_origin"] = np.array(volume.grid.origin_mm, dtype=np.float64)
        arrays[f"{role}_direction"] = np.array(volume.grid.direction, dtype=np.float64)
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
