"""Image files decoded in a child process, so that a crash, a hang or a bomb of ITK's readers is a refusal."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from contextlib import suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Final, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from deepisles.case.decode_worker import READY
from deepisles.case.decoded_image import DecodedImage, Trouble
from deepisles.case.decoder import refuse_undecodable
from deepisles.child_process import start_worker
from deepisles.errors import DeepIslesError, InputRefused

logger = logging.getLogger(__name__)

WORKER: Final = "deepisles.case.decode_worker"
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
"""Threads take address space, and decoding has no use for them."""

TIME_LIMIT_SECONDS: Final = 300
"""For one image; the largest that is accepted takes a tenth of it on a slow machine."""
SPARE_MEMORY_BYTES: Final = 256 << 20
"""What decoding takes whatever the image's size."""
COPIES: Final = 4
"""Of all voxels as 64-bit numbers: compressed, as stored, scaled, and as an array."""
LARGEST_VOXEL_BYTES: Final = 8

MAX_LINE_BYTES: Final = 4096
"""Of what the process says before the voxels."""
MAX_COMPLAINT_BYTES: Final = 1 << 16

_PIXEL_TYPE_NAMES: Final = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
PIXEL_TYPES: Final = {np.dtype(name).str: np.dtype(name) for name in _PIXEL_TYPE_NAMES}
"""What decoded voxels can be, in this machine's byte order."""


class ChildDecoder:
    """Decodes in a child process with limits of memory and time, whose death is a refusal; an `ImageDecoder`.

    The process starts at once, so that it loads its libraries while headers are checked, and serves any number of
    images, one after the other; after a death the next image gets a new one. Leaving the `with` block ends it.

    Parameters
    ----------
    time_limit_seconds : float
        For one image; for the first with the process' start.
    spare_memory_bytes : int
        What an image may take beyond `COPIES` of its voxels.
    """

    def __init__(
        self, time_limit_seconds: float = TIME_LIMIT_SECONDS, spare_memory_bytes: int = SPARE_MEMORY_BYTES
    ) -> None:
        self._time_limit_seconds = time_limit_seconds
        self._spare_memory_bytes = spare_memory_bytes
        self._worker: _Worker | None = _Worker()

    def __enter__(self) -> ChildDecoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_worker()

    @property
    def process_id(self) -> int | None:
        """Of the child process; None when there is none."""
        return self._worker.process_id if self._worker else None

    def decode(self, path: Path, image_io: str, shape: tuple[int, ...], role: str) -> DecodedImage:
        """Decode one image; see `ImageDecoder`.

        Raises
        ------
        InputRefused
            If the file cannot be decoded, or the process dies of it or exceeds its limits.
        GeometryError
            If its axes are not at right angles.
        DeepIslesError
            If the process does not start.
        """
        self._worker = self._worker or _Worker()
        request = {
            "path": str(path.absolute()),
            "image_io": image_io,
            "shape": shape,
            "memory_bytes": COPIES * math.prod(shape) * LARGEST_VOXEL_BYTES + self._spare_memory_bytes,
            "seconds": math.ceil(self._time_limit_seconds),
        }
        started = time.monotonic()
        alarm = threading.Timer(self._time_limit_seconds, self._worker.kill)
        alarm.start()
        try:
            self._worker.wait_until_ready()
            image = self._worker.ask(request, shape)
        except _WorkerDied as death:
            self._end_worker()
            logger.debug("the process that decodes images died", exc_info=True)
            if time.monotonic() - started >= self._time_limit_seconds:
                raise InputRefused(
                    f"The {role} image took more than {self._time_limit_seconds:g} seconds to decode, as malicious "
                    "files do: export it again."
                ) from death
            if death.is_of_its_own:
                raise DeepIslesError(
                    "The process that decodes images did not start: run again with --debug to see why."
                ) from death
            raise InputRefused(
                f"The {role} image made the process that decodes it fail, as damaged or malicious files do: "
                "export it again."
            ) from death
        finally:
            alarm.cancel()
        if isinstance(image, DecodedImage):
            return image
        raise refuse_undecodable(image, role)

    def _end_worker(self) -> None:
        if self._worker:
            self._worker.end()
            self._worker = None


class _WorkerDied(Exception):
    """The process ended, or says what it cannot have been meant to say.

    Parameters
    ----------
    reason : str
        For the log.
    is_of_its_own : bool
        Whether it had not seen an image yet.
    """

    def __init__(self, reason: str, is_of_its_own: bool = False) -> None:
        super().__init__(reason)
        self.is_of_its_own = is_of_its_own


class _Answer(BaseModel):
    """What the process says of an image; the image may have taken the process over, so nothing is taken unchecked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trouble: Trouble | None = None
    pixel_type: str = ""
    spacing_mm: tuple[float, float, float] = (0, 0, 0)
    origin_mm: tuple[float, float, float] = (0, 0, 0)
    direction: tuple[float, float, float, float, float, float, float, float, float] = (0, 0, 0, 0, 0, 0, 0, 0, 0)


class _Worker:
    """The process, and the words that are exchanged with it."""

    def __init__(self) -> None:
        self._child = start_worker(WORKER, ONE_THREAD)
        # typed as IO, which has no readinto
        self._requests = cast(BufferedWriter, self._child.stdin)
        self._answers = cast(BufferedReader, self._child.stdout)
        self._complaints = cast(BufferedReader, self._child.stderr)
        self._is_ready = False

    @property
    def process_id(self) -> int:
        return self._child.pid

    def kill(self) -> None:
        self._child.kill()

    def end(self) -> None:
        self._child.kill()
        self._child.wait()
        for stream in (self._requests, self._answers, self._complaints):
            # what was not sent any more cannot be
            with suppress(BrokenPipeError):
                stream.close()

    def wait_until_ready(self) -> None:
        """Wait until the process has loaded its libraries.

        Raises
        ------
        _WorkerDied
            If it never does.
        """
        if not self._is_ready and self._answers.readline(len(READY)) != READY:
            complaint = self._complaints.read(MAX_COMPLAINT_BYTES).decode(errors="replace")
            raise _WorkerDied(f"it did not start: {complaint}", is_of_its_own=True)
        self._is_ready = True

    def ask(self, request: dict[str, object], shape: tuple[int, ...]) -> DecodedImage | Trouble:
        """Have an image decoded.

        Raises
        ------
        _WorkerDied
            If the process ends, or gives no answer that can be meant.
        """
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        except BrokenPipeError as error:
            raise _WorkerDied("it ended before it was asked") from error
        try:
            answer = _Answer.model_validate_json(self._answers.readline(MAX_LINE_BYTES))
        except ValidationError as error:
            raise _WorkerDied("it did not answer") from error
        if answer.trouble:
            return answer.trouble
        if answer.pixel_type not in PIXEL_TYPES:
            raise _WorkerDied("it answered nonsense")
        array = np.empty(shape, PIXEL_TYPES[answer.pixel_type])
        voxels = array.reshape(-1).view(np.uint8)
        if self._answers.readinto(voxels.data) != voxels.size:
            raise _WorkerDied("it ended before its answer did")
        return DecodedImage(array, answer.spacing_mm, answer.origin_mm, answer.direction)
