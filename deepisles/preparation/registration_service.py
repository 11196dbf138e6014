"""What all registrations' child processes do: images in on stdin, an array out on stdout."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepisles.child_process import end_with_parent

Work = Callable[[NDArray[np.float32], NDArray[np.float32], dict[str, NDArray[np.float64]]], NDArray[Any]]
"""From fixed and moving image (z, y, x) and their geometry to an array: ``fixed_spacing``, ``fixed_origin``,
``fixed_direction`` and the same for ``moving``, ITK's order (x, y, z)."""


def serve(work: Mapping[str, Work], load: Callable[[], object]) -> None:
    """Serve one registration over the standard streams.

    Parameters
    ----------
    work : mapping
        What can be asked for, by name.
    load : callable
        Loads the library before there is anything to do: whoever starts a child has other work meanwhile.
    """
    end_with_parent()
    # what a library prints must not mix with the answer
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    load()
    request_bytes = sys.stdin.buffer.read()
    if not request_bytes:
        return
    with np.load(io.BytesIO(request_bytes), allow_pickle=False) as request:
        arrays = dict(request)
    result = work[str(arrays.pop("task"))](arrays.pop("fixed"), arrays.pop("moving"), arrays)
    buffer = io.BytesIO()
    np.save(buffer, result, allow_pickle=False)
    with answer:
        answer.write(buffer.getvalue())
