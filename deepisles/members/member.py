"""What every member of the ensemble can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from deepisles.members.effort import FULL, Effort
from deepisles.preparation.prepared import PreparedCase

MemberName = Literal["seals", "nvauto", "swan"]
ReportProgress = Callable[[int, int], None]
"""Called with (networks x windows done, networks x windows in all)."""


@dataclass(frozen=True)
class Prediction:
    """A member's answer on the DWI grid.

    Parameters
    ----------
    probability : numpy.ndarray
        Foreground probability averaged over the member's networks, float32 (z, y, x).
    mask : numpy.ndarray
        Lesion voxels by the member's own rule, uint8 {0, 1} (z, y, x). Close to, but not always equal to,
        ``probability > 0.5``: each member's page in docs/fidelity.md names its rule for ties.
    """

    probability: NDArray[np.float32]
    mask: NDArray[np.uint8]


@dataclass(frozen=True)
class MemberRun:
    """What became of one member: its answer, or the reason why there is none."""

    name: MemberName
    status: Literal["ran", "failed", "not-run"]
    reason: str | None = None
    prediction: Prediction | None = None
    seconds: float | None = None
    weights_digest: str | None = None
    networks: int | None = None


class Member(Protocol):
    """One of the ensemble's algorithms, its networks loaded and kept."""

    name: MemberName
    needs_flair: bool
    needs_isotropic: bool
    weights_digest: str
    networks: list[nn.Module]

    def segment(self, images: PreparedCase, report_progress: ReportProgress, effort: Effort = FULL) -> Prediction:
        """Segment one prepared case; axes (z, y, x) in and out."""
        ...


def ignore_progress(done: int, total: int) -> None:
    """Do nothing: the `ReportProgress` of callers that do not watch."""
