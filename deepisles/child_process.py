"""Starting a module of this package as a child process that talks over its standard streams."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""Linux, prctl(2): the signal that a process gets when its parent ends."""


def start_worker(module: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a module with this interpreter.

    Parameters
    ----------
    module : str
        Its full name.
    environment : mapping, optional
        Variables that it gets beside those of this process.

    Returns
    -------
    subprocess.Popen
        Its three standard streams are pipes of bytes.
    """
    package_parent = str(Path(__file__).resolve().parents[1])
    search_path = os.pathsep.join(filter(None, (package_parent, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        # -P: else a numpy.py in the current folder, which may be the input's, would run
        [sys.executable, "-P", "-m", module, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {}), "PYTHONPATH": search_path},
    )


def end_with_parent() -> None:
    """End this worker when the process that started it ends, however that is; on Linux, elsewhere it goes on.

    A worker that loads a large library notices the end of its standard input seconds later.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # the parent may have ended before that was asked for
    if os.getppid() != int(sys.argv[1]):
        raise SystemExit(1)
