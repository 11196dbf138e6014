"""One volume's slices to one NIfTI file by dcm2niix, in a child process with limits."""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

import dcm2niix
import nibabel
from nibabel.filebasedimages import ImageFileError

from deepisles.case.dicom.multiframe import write_frames
from deepisles.case.dicom.quiet import quiet_pydicom
from deepisles.case.dicom.reading import DAMAGED
from deepisles.case.dicom.stack import Stack, check_stack
from deepisles.errors import InputRefused

logger = logging.getLogger(__name__)

TIME_LIMIT_SECONDS: Final = 300
"""A study's largest volume takes a few seconds; minutes are a hang."""
MEMORY_LIMIT_BYTES: Final = 8 << 30
OUTPUT_LIMIT_BYTES: Final = 4 << 30

OPTIONS: Final = (
    *("-f", "volume"),  # the file's name is ours, not made of tags
    *("-g", "i"),  # no defaults from a file in the user's home
    *("-b", "n"),  # no sidecar, which would hold tags
    *("-z", "n"),
    *("-x", "i"),  # neither crop nor rotate 3-D acquisitions
    *("-m", "y"),  # one volume's slices stay one volume, whatever their times
)  # fmt: skip


def name_converter() -> str:
    """Name the converter and its version."""
    return f"dcm2niix {version('dcm2niix')}"


def convert_stack(stack: Stack, folder: Path, role: str, *, is_quantitative: bool) -> Path:
    """Convert a volume.

    Parameters
    ----------
    stack : Stack
        Its slices.
    folder : Path
        A folder that is yet to be made, for the slices and the result.
    role : str
        What the volume is, for messages: "DWI".
    is_quantitative : bool
        Whether the values as displayed are wanted, stored value x Rescale Slope + Rescale Intercept (PS3.3 C.11.1.1.2),
        which for an ADC map are in a known unit. Philips' other scale, by its private Scale Slope (2005,100E), makes
        series comparable and is right for signals.

    Returns
    -------
    Path
        The one NIfTI file.

    Raises
    ------
    GeometryError
        If the slices are no regular stack.
    InputRefused
        If dcm2niix fails, or makes something else than the one volume that was asked for.
    """
    check_stack(stack, role)
    _check_scales(stack, role)
    slices, results = folder / "slices", folder / "result"
    slices.mkdir(parents=True)
    results.mkdir()
    try:
        with quiet_pydicom():
            _lay_out(stack, slices)
    except DAMAGED as error:
        raise InputRefused(f"The {role} series is damaged and cannot be read: export it again.") from error
    # without -p y dcm2niix takes one slice's scale for all of another maker's (seen in 1.0.20260724)
    as_displayed = is_quantitative and stack.first.vendor == "philips"
    _run([*OPTIONS, "-p", "n" if as_displayed else "y", "-o", str(results), str(slices)], role)
    return _find_result(stack, results, role)


def _check_scales(stack: Stack, role: str) -> None:
    """Refuse frames with scales of their own, of which dcm2niix takes one for all in multi-frame files but Philips'."""
    is_multiframe = stack.first.index is not None and stack.first.vendor != "philips"
    if is_multiframe and len({frame.scale for frame in stack.frames}) > 1:
        raise InputRefused(
            f"The {role} series is a multi-frame file whose slices have scales of their own, which the converter does "
            "not follow: export it as single-frame (classic) DICOM."
        )


def _lay_out(stack: Stack, folder: Path) -> None:
    """Put the slices into a folder of their own, under names of ours."""
    frames: dict[Path, list[int]] = {}
    for frame in stack.frames:
        frames.setdefault(frame.path, [])
        if frame.index is not None:
            frames[frame.path].append(frame.index)
    for number, (path, indices) in enumerate(frames.items(), 1):
        target = folder / f"{number:05d}.dcm"
        if indices:
            write_frames(path, indices, target)
        else:
            target.symlink_to(path.absolute())


def _run(arguments: list[str], role: str) -> None:
    started = time.monotonic()
    try:
        # what it says is not logged: it may name series, and series can be named after patients
        child = subprocess.Popen(  # noqa: S603 - the wheel's own binary, arguments of ours
            [dcm2niix.bin, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )
    except OSError as error:
        raise InputRefused("The DICOM converter dcm2niix cannot be started: install the package again.") from error
    with child:
        try:
            _limit(child.pid)
            code = child.wait(TIME_LIMIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise InputRefused(
                f"The {role} series took dcm2niix longer than {TIME_LIMIT_SECONDS} s: export it again, "
                "or convert it to NIfTI yourself."
            ) from error
        finally:
            if child.poll() is None:
                child.kill()
    logger.debug("dcm2niix took %.1f s and ended with code %d", time.monotonic() - started, code)
    if code != 0:
        raise InputRefused(
            f"The {role} series cannot be converted, dcm2niix ended with code {code}: export it again, "
            "or convert it to NIfTI yourself."
        )


def _limit(pid: int) -> None:
    if hasattr(resource, "prlimit"):
        try:
            resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (OUTPUT_LIMIT_BYTES, OUTPUT_LIMIT_BYTES))
        except (ProcessLookupError, PermissionError):
            # it has ended already, or the machine's own limits are lower and hold
            logger.debug("dcm2niix runs without limits of ours")


def _find_result(stack: Stack, folder: Path, role: str) -> Path:
    """Find the file that has the volume's size among what dcm2niix wrote."""
    fitting = [path for path in sorted(folder.glob("*.nii")) if _fits(stack, path)]
    if len(fitting) != 1:
        raise InputRefused(
            f"The {role} series did not become one volume of {stack.slices} slices, but {len(fitting)}: export it "
            "again, or convert it to NIfTI yourself."
        )
    return fitting[0]


def _fits(stack: Stack, path: Path) -> bool:
    try:
        shape = tuple(nibabel.load(path).shape)
    except (ImageFileError, OSError, ValueError):
        return False
    if len(shape) != 3 or shape[2] != stack.slices:
        return False
    return stack.is_mosaic or shape[:2] == stack.plane_size
