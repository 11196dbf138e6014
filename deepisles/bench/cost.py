"""What a case costs: seconds, memory and floating-point operations per stage."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class StageCost:
    """What one stage took; names are the JSON's keys (`document`).

    Parameters
    ----------
    wall_seconds : float
        From start to end.
    cpu_seconds : float
        Of this process, all threads; registration's child process is a stage of its own.
    pre_seconds : float
        Until the first network begins.
    network_seconds : float
        Inside the networks, on a GPU as its own events tell it; the rest is windows, blending and resampling.
    post_seconds : float
        After the last network has ended.
    calls : int
        How often a network was called.
    windows : int
        How many windows the networks answered: a call with a batch of four answers four.
    tflop : float or None
        Operations of the networks in 10^12, a multiply-add as two; None where they were not counted or are not known.
    precision : str or None
        What the networks computed with: "float32", "tf32", "float16", "bfloat16"; several are joined by "+".
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    pre_seconds: float = 0.0
    network_seconds: float = 0.0
    post_seconds: float = 0.0
    calls: int = 0
    windows: int = 0
    tflop: float | None = None
    precision: str | None = None

    @property
    def tflop_per_second(self) -> float | None:
        """Speed of the networks alone; None where there is none, or their work is not known."""
        return self.tflop / self.network_seconds if self.tflop and self.network_seconds else None

    def share_of(self, peak_tflop_per_second: float | None) -> float | None:
        """Share of a peak that the networks reach, from 0 to 1; None where one of both is not known."""
        speed = self.tflop_per_second
        return speed / peak_tflop_per_second if speed and peak_tflop_per_second else None


@dataclass
class CaseCost:
    """What one case took, stage by stage.

    Parameters
    ----------
    device : str
        Where the networks ran.
    stages : dict
        By name, in the order in which they began; "register" runs beside others and stands where it is waited for.
    total_seconds : float
        Wall time from opening the files to the folder written; with loading the networks where that is a stage.
    peak_memory_gb : float
        Highest main memory of this process since its start, and of its largest child process.
    gpu_allocated_gb, gpu_reserved_gb : float or None
        Highest GPU memory that tensors took, and that PyTorch held for them; without CUDA's own.
    """

    device: str
    stages: dict[str, StageCost] = field(default_factory=dict)
    total_seconds: float = 0.0
    peak_memory_gb: float = 0.0
    gpu_allocated_gb: float | None = None
    gpu_reserved_gb: float | None = None

    @property
    def network_seconds(self) -> float:
        """Time inside the networks of all members."""
        return sum(cost.network_seconds for cost in self.stages.values())

    @property
    def share_outside_networks(self) -> float:
        """Share of the case's time that is neither a network nor waiting for registration, from 0 to 1."""
        waiting = self.stages.get("wait for registration", StageCost()).wall_seconds
        return (self.total_seconds - self.network_seconds - waiting) / self.total_seconds
