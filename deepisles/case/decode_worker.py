"""The child process that decodes images: a line of JSON in for each, a line of JSON and the voxels out.

ITK's readers have open memory-safety defects. Here they work with little memory and time, cannot write a file, and a
crash of theirs is a message. One process serves the images of one case.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from deepisles.case.decoded_image import DecodingError

READY: Final = b"ready\n"
MEMORY_FILE: Final = Path("/proc/self/statm")


def main() -> None:
    """Serve images over the standard streams until the requests end."""
    _limit_files()
    # what a library prints must not mix with the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    from deepisles.case.itk_decoding import decode_image

    answers.write(READY)
    answers.flush()
    # nobody reads the error stream from here on, and a full pipe would stop this process
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    os.dup2(silence, sys.stderr.fileno())
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit_memory(request["memory_bytes"])
        _limit_time(request["seconds"])
        try:
            image = decode_image(request["path"], request["image_io"], tuple(request["shape"]))
            voxels = np.ascontiguousarray(image.array).reshape(-1).view(np.uint8)
        except DecodingError as error:
            _answer(answers, {"trouble": error.trouble})
        except MemoryError:
            _answer(answers, {"trouble": "memory"})
        else:
            description: dict[str, object] = {
                "pixel_type": image.array.dtype.str,
                # JSON keeps every bit of a double
                "spacing_mm": image.spacing_mm,
                "origin_mm": image.origin_mm,
                "direction": image.direction,
            }
            _answer(answers, description, voxels.data)
            del image, voxels


def _answer(answers: Any, description: dict[str, object], voxels: Any = b"") -> None:  # noqa: ANN401 - any buffer
    answers.write(json.dumps(description).encode() + b"\n")
    answers.write(voxels)
    answers.flush()


def _limit_files() -> None:
    """Forbid files: neither an exploit nor a memory dump with a patient's images may lie about."""
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))


def _limit_memory(more_bytes: int) -> None:
    """Allow this much address space beyond what the libraries take, where the system counts it (Linux)."""
    if MEMORY_FILE.exists():
        now_bytes = int(MEMORY_FILE.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = now_bytes + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _limit_time(seconds: int) -> None:
    """Allow this much more CPU time; it ends this process even if nobody waits for it any more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    # who asked may be gone
    with suppress(BrokenPipeError):
        main()
