"""What a process of the original is to do, and what that cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from deepisles.members.member import MemberName


@dataclass(frozen=True)
class Task:
    """One process' work.

    Parameters
    ----------
    member : str
        Which of the three; for SEALS the process does one fold.
    network : int or None
        The fold's network; None: all of the member's.
    weights : Path
        A bundle.
    device : str
        "auto", "cpu" or "cuda:0".
    threads : int
        CPU threads.
    dwi, adc : Path
        Images of the brain alone; for SEALS at 1 mm, where its settings want that.
    flair : Path or None
        FLAIR, for SWAN.
    registered : bool
        Whether the FLAIR lies on the DWI's grid already; else Elastix brings it there, as in the original.
    output : Path
        Where the answer goes: SEALS' softmax (.npz), or the mask.
    """

    member: MemberName
    network: int | None
    weights: Path
    device: str
    threads: int
    dwi: Path
    adc: Path
    flair: Path | None
    registered: bool
    output: Path

    def to_json(self) -> dict[str, Any]:
        """Turn it into what JSON can hold."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Undo `to_json`."""
        paths = {"weights", "dwi", "adc", "flair", "output"}
        values: dict[str, Any] = {
            name: Path(value) if name in paths and value else value for name, value in told.items()
        }
        return cls(**values)


@dataclass(frozen=True)
class TaskCost:
    """What a process, or a member's processes together, took.

    Parameters
    ----------
    wall_seconds : float
        From before its start to after its end.
    load_seconds : float
        Reading networks and putting them on the device.
    register_seconds : float
        Bringing the FLAIR to the DWI.
    network_seconds : float
        Inside the networks.
    forwards : int
        Windows (and mirrors) through a network.
    peak_memory_gb, peak_gpu_memory_gb : float
        Highest use of the host's memory, child processes included, and of the GPU's.
    """

    wall_seconds: float
    load_seconds: float
    register_seconds: float
    network_seconds: float
    forwards: int
    peak_memory_gb: float
    peak_gpu_memory_gb: float


def add_costs(costs: Sequence[TaskCost]) -> TaskCost:
    """Add up what at least one process took, one after the other; peaks do not add up."""
    return TaskCost(
        **{
            field.name: (max if field.name.startswith("peak") else sum)(getattr(cost, field.name) for cost in costs)
            for field in fields(TaskCost)
        }
    )
