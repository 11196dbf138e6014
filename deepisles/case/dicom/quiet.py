"""pydicom without its warnings, which quote values of the file: these can be a patient's."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.config import disable_value_validation

_PYDICOM = logging.getLogger("pydicom")


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Let pydicom neither warn nor log while it reads."""
    level = _PYDICOM.level
    _PYDICOM.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        _PYDICOM.setLevel(level)
