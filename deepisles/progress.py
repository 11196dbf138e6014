"""How a case's progress reaches whoever watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Somebody who watches a case."""

    def start(self, stage: str) -> None:
        """Take note that a stage begins."""

    def advance(self, stage: str, done: int, total: int) -> None:
        """Take note of windows done and in all."""

    def finish(self, stage: str, seconds: float) -> None:
        """Take note that a stage has ended."""


class NoProgress:
    """Nobody watches."""

    def start(self, stage: str) -> None:
        """Do nothing."""

    def advance(self, stage: str, done: int, total: int) -> None:
        """Do nothing."""

    def finish(self, stage: str, seconds: float) -> None:
        """Do nothing."""


class StageClock:
    """Seconds per stage, told to the watcher as they pass."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside the `with` block."""
        self.progress.start(name)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.note(name, time.perf_counter() - started)

    def note(self, name: str, seconds: float) -> None:
        """Enter a stage that was timed elsewhere."""
        self.seconds[name] = seconds
        self.progress.finish(name, seconds)
