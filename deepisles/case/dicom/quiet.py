"""pydicom and highdicom without their warnings, which quote values of the file: these can be a patient's."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.config import disable_value_validation

_LOGGERS = tuple(logging.getLogger(name) for name in ("pydicom", "highdicom"))


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Let neither warn nor log while DICOM is read or made."""
    levels = [logger.level for logger in _LOGGERS]
    for logger in _LOGGERS:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(_LOGGERS, levels, strict=True):
            logger.setLevel(level)
