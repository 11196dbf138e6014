"""A multi-frame file reduced to the frames of one volume, so that dcm2niix has nothing to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence as DicomSequence

BLANK_PREAMBLE = bytes(128)


def write_frames(source: Path, indices: Sequence[int], target: Path) -> None:
    """Write a copy of a multi-frame file that holds some of its frames; pixels are copied, not decoded.

    Parameters
    ----------
    source : Path
        An enhanced MR file.
    indices : sequence of int
        Which frames, from 0, in the order wanted.
    target : Path
        The copy.

    Raises
    ------
    ValueError
        If the file's pixels are fewer than it says.
    """
    dataset = pydicom.dcmread(source)
    count = int(dataset.NumberOfFrames)
    pixels = dataset.PixelData
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        frames = list(generate_frames(pixels, number_of_frames=count))
        chosen = encapsulate([frames[index] for index in indices])
    else:
        size = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
        if len(pixels) < size * count:
            raise ValueError("fewer pixels than frames")
        chosen = b"".join(pixels[index * size : (index + 1) * size] for index in indices)
        chosen += b"\0" * (len(chosen) % 2)
    dataset.PixelData = chosen
    groups = dataset.PerFrameFunctionalGroupsSequence
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence([groups[index] for index in indices])
    dataset.NumberOfFrames = len(indices)
    # whatever the file's first bytes were meant to pass for (CVE-2019-11687) ends here
    dataset.preamble = BLANK_PREAMBLE
    dataset.save_as(target, enforce_file_format=True)
