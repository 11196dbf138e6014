"""What a training run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deepisles.training.pace import Pace

Scale = Literal["starter", "published"]
"""Networks for two CPU cores, or of the published sizes."""


@dataclass(frozen=True)
class TrainOptions:
    """The options of `deepisles train`.

    Parameters
    ----------
    member : str
        "seals", "nvauto" or "swan".
    data : tuple of Path
        Data sets (see `deepisles.training.layout`); each is drawn from equally often.
    output : Path
        The bundle; if it is there, the member is added to it or replaced in it.
    start : Path, optional
        A bundle whose networks training starts from.
    folds : int
        Networks per kind, each validated on its own part of the data.
    kinds : tuple of str, optional
        Only these kinds of network, out of those the member has; what the bundle holds of the others stays.
    pace : Pace
        How long and how often.
    learning_rate : float, optional
        Instead of the recipe's.
    device : str
        "auto", "cpu" or "cuda:0".
    work : Path, optional
        Where states and prepared cases are kept; by default beside the output.
    scale : str
        "starter" or "published"; SEALS is then planned and trained by nnU-Net itself.
    """

    member: str
    data: tuple[Path, ...]
    output: Path
    start: Path | None = None
    folds: int = 1
    kinds: tuple[str, ...] | None = None
    pace: Pace = field(default_factory=Pace)
    learning_rate: float | None = None
    device: str = "auto"
    work: Path | None = None
    scale: Scale = "starter"

    @property
    def work_folder(self) -> Path:
        """Where states and prepared cases are kept."""
        return self.work if self.work is not None else self.output.with_name(f"{self.output.name}.work")
