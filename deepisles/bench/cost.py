"""What a case costs: seconds and memory per stage."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class StageCost:
    """What one stage took.

    Parameters
    ----------
    wall_seconds : float
        From start to end.
    cpu_seconds : float
        Of this process, all threads; registration's child process is a stage of its own.
    network_seconds : float
        Wall time inside the networks; the rest is windows, blending and resampling.
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    network_seconds: float = 0.0


@dataclass
class CaseCost:
    """What one case took, stage by stage."""

    device: str
    stages: dict[str, StageCost] = field(default_factory=dict)
    peak_memory_gb: float = 0.0

    @property
    def total_seconds(self) -> float:
        """Wall time of the whole case; registration beside the members is not counted twice."""
        return sum(cost.wall_seconds for name, cost in self.stages.items() if name != "register")

    @property
    def share_outside_networks(self) -> float:
        """Share of the case's time that is neither a network nor waiting for registration, from 0 to 1."""
        networks = sum(cost.network_seconds for cost in self.stages.values())
        waiting = self.stages.get("wait for registration", StageCost()).wall_seconds
        return (self.total_seconds - networks - waiting) / self.total_seconds
