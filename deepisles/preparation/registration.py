"""FLAIR onto the DWI's grid, beside the members that do not need it."""

from __future__ import annotations

from types import TracebackType
from typing import Literal

import numpy as np

from deepisles.case.volume import Grid, Volume
from deepisles.errors import GeometryError
from deepisles.preparation.common_grid import SAME_GRID_TOLERANCE_MM, require_overlap
from deepisles.preparation.registration_child import RegistrationChild

RegistrationMethod = Literal["elastix", "rigid"]
AppliedRegistration = Literal["elastix", "rigid", "none"]


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
    """A registration at work in a child process: start it, do something else, then ask for the result.

    Leaving the `with` block ends the child, whatever happened.

    Parameters
    ----------
    dwi, flair : Volume
        Fixed and moving image, arrays (z, y, x), each on its own grid.
    method : str
        "elastix" bends the FLAIR as the original does, in about 50 CPU seconds; "rigid" turns and moves it, in one.

    Raises
    ------
    GeometryError
        If the FLAIR covers less than half of the DWI's field of view.
    """

    def __init__(self, dwi: Volume, flair: Volume, method: RegistrationMethod = "elastix") -> None:
        require_overlap(dwi.grid, flair.grid, "FLAIR")
        self._dwi_grid = dwi.grid
        self.child = RegistrationChild("turn" if method == "rigid" else "bend", "Registering FLAIR to DWI")
        try:
            self.child.send(dwi, flair)
        except BaseException:
            # an interrupted run leaves no process behind
            self.child.close()
            raise

    def __enter__(self) -> FlairRegistration:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.close()

    @property
    def seconds(self) -> float:
        """Wall time, once there is a result."""
        return self.child.seconds

    def result(self) -> Volume:
        """Wait for the registered FLAIR, float32 (z, y, x) on the DWI's grid.

        Raises
        ------
        MemberFailed
            If the registration failed, crashed or did not end.
        """
        registered = self.child.result("check that both show the same head, or leave the FLAIR out")
        return Volume(registered.astype(np.float32, copy=False), self._dwi_grid)
