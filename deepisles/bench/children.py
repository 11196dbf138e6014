"""A piece of a measurement in a fresh process: a request in, an answer out, both JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deepisles.child_process import end_with_parent, start_worker
from deepisles.errors import DeepIslesError

KIB_PER_GB = 1024**2


@dataclass(frozen=True)
class ChildAnswer:
    """What a child process answered, and its wall time from before its start to after its end."""

    content: dict[str, Any]
    wall_seconds: float


def ask_child(module: str, request: Mapping[str, Any]) -> ChildAnswer:
    """Start a module of this package with this interpreter, hand it a request and wait for its answer.

    Raises
    ------
    DeepIslesError
        If it fails: with its own last words.
    """
    started = time.perf_counter()
    child = start_worker(module)
    try:
        answer, complaint = child.communicate(json.dumps(request).encode())
    except BaseException:
        # an interrupted run leaves no process behind
        child.kill()
        child.communicate()
        raise
    seconds = time.perf_counter() - started
    if child.returncode != 0:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise DeepIslesError(lines[-1] if lines else f"A measuring process ended with code {child.returncode}.")
    return ChildAnswer(json.loads(answer), seconds)


def answer_request(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Be the child: read the request, work, write the answer."""
    end_with_parent()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answer_to:
        # libraries print on standard output, where only the answer may be
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            answer = work(json.load(sys.stdin))
        except DeepIslesError as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(error.exit_code) from error
        json.dump(answer, answer_to)


def read_peak_memory_gb() -> float:
    """Read this process's highest memory use, that of its largest child process included."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / KIB_PER_GB
