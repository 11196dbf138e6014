"""Takes the times of a case while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from deepisles.bench.cost import StageCost


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
