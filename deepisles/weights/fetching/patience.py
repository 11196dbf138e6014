"""Trying again: how often, and after how long."""

from __future__ import annotations

import logging
import time

from deepisles.errors import WeightsError
from deepisles.weights.fetching.web import Interrupted

TRIES = 6
"""In a row that bring nothing; with the waits below that is half a minute for a line that is down."""
FIRST_WAIT_SECONDS = 1.0
"""Doubled after each try."""
LONGEST_WAIT_SECONDS = 120.0
"""Zenodo counts requests by the minute, and asks to wait up to one."""

_LOGGER = logging.getLogger(__name__)


class Patience:
    """Counts tries in a row that brought nothing.

    Parameters
    ----------
    resumes : bool
        Whether another call goes on where this one ends, for the message.
    """

    def __init__(self, resumes: bool = True) -> None:
        self._failures = 0
        self._promise = ", which goes on where this ended" if resumes else ""

    def reset(self) -> None:
        """Take note that a try brought something."""
        self._failures = 0

    def wait_after(self, failure: Interrupted) -> None:
        """Wait before another try.

        Raises
        ------
        WeightsError
            If there were enough.
        """
        self._failures += 1
        if self._failures >= TRIES:
            raise WeightsError(
                f"{failure.reason}, {self._failures} times in a row; check the network and run the command "
                f"again{self._promise}."
            ) from failure
        wait = FIRST_WAIT_SECONDS * 2 ** (self._failures - 1)
        seconds = min(max(wait, failure.wait_seconds or 0), LONGEST_WAIT_SECONDS)
        _LOGGER.warning("%s; trying again in %.0f s", failure.reason, seconds)
        time.sleep(seconds)
