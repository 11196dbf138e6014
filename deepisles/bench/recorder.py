"""Takes the times of a case while it runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from deepisles.bench.cost import StageCost
from deepisles.bench.device_clock import DeviceClock, Mark
from deepisles.bench.precision import find_precision
from deepisles.members.member import Member

WindowShape = tuple[int, ...]
"""(channels, a, b, c) of what a network was given."""


@dataclass
class _RunningStage:
    """A stage that has not ended: when it began, and every call of a network since."""

    start: Mark
    cpu_start: float
    calls: list[tuple[Mark, Mark]] = field(default_factory=list)


class CostRecorder:
    """A `Progress` that takes times.

    Attributes
    ----------
    stages : dict
        Costs by stage; those of a stage are complete once it has ended.
    windows : dict
        By stage, how many windows of which shape each network (by its number) answered.
    gpu_allocated_bytes, gpu_reserved_bytes : int
        The highest at the end of any stage so far; 0 without a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.stages: dict[str, StageCost] = {}
        self.windows: dict[str, Counter[tuple[int, WindowShape]]] = {}
        self.gpu_allocated_bytes = self.gpu_reserved_bytes = 0
        self._clock = DeviceClock(device)
        self._running: dict[str, _RunningStage] = {}
        self._precisions: dict[str, set[str]] = {}
        # on a CPU windows go side by side
        self._lock = threading.Lock()

    def start(self, stage: str) -> None:
        """Start the clocks."""
        self.stages[stage] = StageCost()
        self._running[stage] = _RunningStage(self._clock.mark(), time.process_time())

    def advance(self, stage: str, done: int, total: int) -> None:
        """Do nothing."""

    def finish(self, stage: str, seconds: float) -> None:
        """Stop the clocks."""
        running = self._running.pop(stage, None)
        if running is None:
            # timed elsewhere, in a child process
            self.stages[stage] = StageCost(wall_seconds=seconds)
            return
        end = self._clock.mark()
        self._clock.synchronise()
        self._note_gpu_memory()
        cost = self.stages[stage]
        cost.wall_seconds = time.perf_counter() - running.start.host_seconds
        cost.cpu_seconds = time.process_time() - running.cpu_start
        if running.calls:
            between = self._clock.seconds_between
            cost.calls = len(running.calls)
            cost.windows = self.windows[stage].total()
            cost.precision = "+".join(sorted(self._precisions[stage]))
            calls = [(between(running.start, enter), between(running.start, leave)) for enter, leave in running.calls]
            cost.pre_seconds = min(enter for enter, _ in calls)
            cost.network_seconds = sum_covered(calls)
            cost.post_seconds = between(running.start, end) - max(leave for _, leave in calls)

    def _note_gpu_memory(self) -> None:
        # after every stage: members reset PyTorch's own peak when they measure how large a window is
        device = self._clock.device
        if device.type == "cuda":
            self.gpu_allocated_bytes = max(self.gpu_allocated_bytes, torch.cuda.max_memory_allocated(device))
            self.gpu_reserved_bytes = max(self.gpu_reserved_bytes, torch.cuda.max_memory_reserved(device))

    @contextmanager
    def watch(self, stage: str, networks: Sequence[nn.Module]) -> Iterator[None]:
        """Note every call of some networks, while the stage of that name runs."""
        handles = [handle for number, network in enumerate(networks) for handle in self._hook(stage, number, network)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def watch_members(self, members: Sequence[Member]) -> Iterator[None]:
        """Note every call of every member's networks, each in the stage of its member's name."""
        with ExitStack() as stack:
            for member in members:
                stack.enter_context(self.watch(member.name, member.networks))
            yield

    def _hook(self, stage: str, number: int, network: nn.Module) -> Iterator[RemovableHandle]:
        windows = self.windows.setdefault(stage, Counter())
        precisions = self._precisions.setdefault(stage, set())
        entered: dict[int, Mark] = {}

        def enter(*_: object) -> None:
            # a call that runs out of memory is never left, and what it began does not count
            entered[threading.get_ident()] = self._clock.mark()

        def leave(_: nn.Module, inputs: tuple[Tensor, ...], __: object) -> None:
            with self._lock:
                self._running[stage].calls.append((entered[threading.get_ident()], self._clock.mark()))
                windows[number, tuple(inputs[0].shape[1:])] += inputs[0].shape[0]
                precisions.add(find_precision(inputs[0]))

        yield network.register_forward_pre_hook(enter)
        yield network.register_forward_hook(leave)


def sum_covered(intervals: Iterable[tuple[float, float]]) -> float:
    """Sum the seconds that intervals (begin, end) cover; what several of them share counts once."""
    covered, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        covered += max(end - max(begin, reached), 0.0)
        reached = max(reached, end)
    return covered
