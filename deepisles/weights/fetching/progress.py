"""How far a fetch has come, for whoever watches."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn


class FetchProgress(Protocol):
    """Somebody who watches a fetch; `advance` may be called from several threads."""

    def start(self, stage: str, total_bytes: int | None, done_bytes: int = 0) -> None:
        """Take note that a stage begins, of how many bytes it is and how many of them were there before."""

    def advance(self, more_bytes: int) -> None:
        """Take note that the stage has come further."""


class NoFetchProgress:
    """Nobody watches."""

    def start(self, stage: str, total_bytes: int | None, done_bytes: int = 0) -> None:
        """Do nothing."""

    def advance(self, more_bytes: int) -> None:
        """Do nothing."""


class TerminalFetchProgress:
    """A bar per stage, on stderr; nothing where that is not a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            DownloadColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> TerminalFetchProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, stage: str, total_bytes: int | None, done_bytes: int = 0) -> None:
        """Show a stage's bar; that of an earlier try at the same stage goes."""
        if self._task is not None:
            self._bars.stop_task(self._task)
            if self._bars.tasks[-1].description == stage:
                self._bars.remove_task(self._task)
        self._task = self._bars.add_task(stage, total=total_bytes, completed=done_bytes)

    def advance(self, more_bytes: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, more_bytes)
