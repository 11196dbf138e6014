"""What a case costs: seconds and memory per stage, and how they compare with the original's."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from deepisles.case.files import CaseFiles
from deepisles.ensemble import Ensemble
from deepisles.errors import InputRefused
from deepisles.options import SegmentOptions

KIB_PER_GB = 1024**2


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


class CostRecorder:
    """A `Progress` that takes times."""

    def __init__(self) -> None:
        self.stages: dict[str, StageCost] = {}
        self._started: tuple[float, float] = (0.0, 0.0)

    def start(self, stage: str) -> None:
        """Start the clocks."""
        self.stages[stage] = StageCost()
        self._started = (time.perf_counter(), time.process_time())

    def advance(self, stage: str, done: int, total: int) -> None:
        """Do nothing."""

    def finish(self, stage: str, seconds: float) -> None:
        """Stop the clocks."""
        if stage not in self.stages:
            # timed elsewhere, in a child process
            self.stages[stage] = StageCost(wall_seconds=seconds)
            return
        self.stages[stage].wall_seconds = time.perf_counter() - self._started[0]
        self.stages[stage].cpu_seconds = time.process_time() - self._started[1]

    @contextmanager
    def watch(self, stage: str, networks: list[nn.Module]) -> Iterator[None]:
        """Add the time spent inside networks to a stage."""
        entered = 0.0

        def enter(*_: object) -> None:
            nonlocal entered
            entered = time.perf_counter()

        def leave(*_: object) -> None:
            self.stages[stage].network_seconds += time.perf_counter() - entered

        handles = [network.register_forward_pre_hook(enter) for network in networks]
        handles += [network.register_forward_hook(leave) for network in networks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def measure_case(files: CaseFiles, options: SegmentOptions) -> CaseCost:
    """Segment a case and write its folder to a temporary place, taking times.

    Network times are wall times on the calling thread: on CUDA, whose kernels run on their own, they mean little.
    """
    recorder = CostRecorder()
    recorder.start("load")
    ensemble = Ensemble.load(options.weights, options.device, options.members)
    recorder.finish("load", 0.0)
    with ExitStack() as stack:
        for member in ensemble.members:
            stack.enter_context(recorder.watch(member.name, member.networks))
        result = ensemble.segment(
            files.dwi, files.adc, files.flair, registration=options.registration, progress=recorder
        )
    with tempfile.TemporaryDirectory() as folder:
        recorder.start("write")
        result.save(folder)
        recorder.finish("write", 0.0)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "register" in recorder.stages:
        recorder.stages["register"].cpu_seconds = child.ru_utime + child.ru_stime
    return CaseCost(result.report.software.device, recorder.stages, (own + child.ru_maxrss) / KIB_PER_GB)


def read_original_seconds(path: Path) -> dict[str, tuple[float, str]]:
    """Read the original's times per member: seconds, and whether they are wall or CPU seconds.

    Raises
    ------
    InputRefused
        If the file is not in the form of the reference timings.
    """
    try:
        told: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        swan = told["swan"]["cpu_s"]
        return {
            "seals": (float(told["seals"]["total_wall_s"]), "wall"),
            "nvauto": (float(told["nvauto"]["total_wall_s"]), "wall"),
            "swan": (float(swan["inference_10_networks_18_windows"]), "CPU"),
            "register": (float(swan["registration_elastix"]), "CPU"),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputRefused(f"{path} does not hold the original's times: give its timings.json.") from error


def tabulate(cost: CaseCost, original: Mapping[str, tuple[float, str]] | None = None) -> str:
    """Lay costs out as a table, with the ratio original / here where the original's times are given."""
    lines = [
        f"device {cost.device}",
        f"{'stage':<22}{'wall s':>9}{'CPU s':>9}{'networks s':>12}{'original / here':>22}",
    ]
    for name, stage in cost.stages.items():
        ratio = ""
        if original and name in original:
            seconds, kind = original[name]
            here = stage.wall_seconds if kind == "wall" else stage.cpu_seconds
            ratio = f"{seconds:.0f} / {here:.0f} = {seconds / here:.1f} ({kind})"
        lines.append(
            f"{name:<22}{stage.wall_seconds:>9.2f}{stage.cpu_seconds:>9.2f}{stage.network_seconds:>12.2f}{ratio:>22}"
        )
    lines += [
        f"case {cost.total_seconds:.1f} s, of it {cost.share_outside_networks:.1%} outside networks and registration",
        f"peak memory {cost.peak_memory_gb:.2f} GB (registration's child process included)",
    ]
    return "\n".join(lines)


def to_json(cost: CaseCost) -> str:
    """Write costs as JSON."""
    return json.dumps({**asdict(cost), "total_seconds": cost.total_seconds, "python": sys.version.split()[0]}, indent=2)
