"""process.py run as the platform runs it, and what it left looked at."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from deepisles.options import SegmentOptions

PROJECT = Path(__file__).resolve().parents[1]
OPTIONS = SegmentOptions(registration="none")
DATA_LIMIT_BYTES = 7 << 30
"""The platform's default machine has 8 GB, of which a process may have all but one for its data."""


def list_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def read_json(path):
    """Read JSON, in which NaN and Infinity are errors."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(path.read_bytes().decode("utf-8"), parse_constant=refuse)


@dataclass(frozen=True)
class ExecRun:
    """One run of process.py; the streams are bytes, as the platform reads them."""

    input: Path
    output: Path
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds_until_closed: float
    survivors: list


def run_process(folder, output, weights, *flags, data_limit_bytes=DATA_LIMIT_BYTES):
    """Run process.py in a session of its own, on one CPU, with a limit of memory."""

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (data_limit_bytes, data_limit_bytes))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    process = subprocess.Popen(
        [sys.executable, PROJECT / "process.py", "--input", folder, "--output", output, "--weights", weights,
         "--device", "cpu", *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=limit,
    )  # fmt: skip
    session = process.pid
    stdout, stderr = process.communicate(timeout=1800)
    closed = time.monotonic()
    process.wait()
    survivors = [one for one in psutil.process_iter() if _session_of(one.pid) == session]
    return ExecRun(folder, output, process.returncode, stdout, stderr, time.monotonic() - closed, survivors)


def _session_of(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
