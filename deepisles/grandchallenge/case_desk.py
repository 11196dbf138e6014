"""Where the web server's thread orders a case and the main thread takes it: one case at a time."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import TypeAlias

Order: TypeAlias = "Future[str | None]"
"""One case that is to be segmented; its result is None once the files are on disk, or the error's one sentence."""


class DeskBusy(Exception):
    """A case is being segmented, or the networks are not loaded yet."""


class CaseDesk:
    """The place between a server's two threads; closed until the networks are loaded."""

    def __init__(self) -> None:
        self._orders: queue.Queue[Order] = queue.Queue()
        self._free = threading.Semaphore(0)
        self._opened = threading.Event()

    def open(self) -> None:
        """Take orders from now on: the networks are loaded."""
        self._opened.set()
        self._free.release()

    @property
    def is_open(self) -> bool:
        """Whether the networks are loaded."""
        return self._opened.is_set()

    def place(self) -> Order:
        """Order the case that lies in the input folder.

        Raises
        ------
        DeskBusy
            If the desk is closed, or another case is being segmented.
        """
        if not self._free.acquire(blocking=False):
            raise DeskBusy
        order: Order = Future()
        # whoever waits for a case may give up, the case goes on
        order.set_running_or_notify_cancel()
        self._orders.put(order)
        return order

    def take(self) -> Order:
        """Wait for an order."""
        return self._orders.get()

    def finish(self, order: Order, sentence: str | None) -> None:
        """Say how an order's case went, and be free for the next: who hears of it may place that at once."""
        self._free.release()
        order.set_result(sentence)
