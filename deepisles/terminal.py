"""Progress on a terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

STAGE_NAMES = {
    "read": "Reading",
    "prepare": "Preparing",
    "seals": "SEALS",
    "nvauto": "NVAUTO",
    "swan": "SWAN",
    "wait for registration": "Registering FLAIR",
    "consensus": "Voting",
    "findings": "Lesions",
}


class TerminalProgress:
    """A bar per stage, on stderr; nothing where that is not a terminal."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            TextColumn("{task.fields[windows]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not Console(stderr=True).is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> TerminalProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, stage: str) -> None:
        """Show a stage's bar."""
        self._tasks[stage] = self._bars.add_task(STAGE_NAMES.get(stage, stage), total=None, windows="")

    def advance(self, stage: str, done: int, total: int) -> None:
        """Move a stage's bar."""
        self._bars.update(self._tasks[stage], completed=done, total=total, windows=f"{done}/{total} windows")

    def finish(self, stage: str, seconds: float) -> None:
        """Fill a stage's bar."""
        task = self._tasks.get(stage)
        if task is not None:
            self._bars.update(task, completed=1, total=1)
            self._bars.stop_task(task)
