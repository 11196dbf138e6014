"""What an image file's own header says, read without an image library and checked before one opens the file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from deepisles.case.limits import MAX_VOXELS, check_size
from deepisles.errors import InputRefused

CHUNK_BYTES: Final = 1 << 20

SEVERAL_VOLUMES_ROLE: Final = "DWI"
"""Scanners and converters put b = 0 and b = 1000 into one file."""

MAX_PACKED_SHARE: Final = 1.01
PACKED_SPARE_BYTES: Final = 1 << 16
"""Data that zlib cannot shrink grow by five bytes in 16 KiB (zlib.h, deflateBound), bgzip's by 26 in 64 KiB."""


@dataclass(frozen=True)
class ImageHeader:
    """The checked claims of a header.

    Parameters
    ----------
    size_xyz : tuple of int
        Number of voxels along (x, y, z).
    pixel_type : numpy.dtype
        Of a voxel in the file, byte order included.
    block : bytes
        The header itself, without the voxels.
    volumes : int
        Number of volumes of that size.
    """

    size_xyz: tuple[int, int, int]
    pixel_type: np.dtype[Any]
    block: bytes
    volumes: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array: (z, y, x), or (volume, z, y, x) where there are several."""
        x, y, z = self.size_xyz
        return (z, y, x) if self.volumes == 1 else (self.volumes, z, y, x)

    @property
    def data_bytes(self) -> int:
        """Size of all voxels, not compressed."""
        return math.prod(self.shape) * self.pixel_type.itemsize


def check_dimensions(sizes: Sequence[int], role: str) -> tuple[tuple[int, int, int], int]:
    """Accept 3-D sizes, and 4-D ones with a single volume, or for the DWI with several.

    Parameters
    ----------
    sizes : sequence of int
        Length of every axis, x first.
    role : str
        What the image is, for the message.

    Returns
    -------
    tuple of int
        Number of voxels along (x, y, z).
    int
        Number of volumes.

    Raises
    ------
    InputRefused
        If there are fewer than three axes or more than four, several volumes of another image than the DWI, or sizes
        out of range.
    """
    if len(sizes) < 3:
        raise InputRefused(f"The {role} image is {len(sizes)}-D: give the whole stack of slices as one 3-D image.")
    if len(sizes) > 4:
        raise InputRefused(f"The {role} image is {len(sizes)}-D: give one 3-D image.")
    volumes = sizes[3] if len(sizes) == 4 else 1
    if volumes != 1 and role != SEVERAL_VOLUMES_ROLE:
        raise InputRefused(f"The {role} image holds {volumes} volumes: give one 3-D volume.")
    size_xyz = (sizes[0], sizes[1], sizes[2])
    check_size(size_xyz, role)
    if volumes * math.prod(size_xyz) > MAX_VOXELS:
        raise InputRefused(f"The {role} image's {volumes} volumes are more than is accepted: give one 3-D volume.")
    return size_xyz, volumes


def check_packed_size(packed_bytes: int, unpacked_bytes: int, role: str) -> None:
    """Refuse compressed data that are larger than what they unpack to, before time is spent on unpacking them.

    Raises
    ------
    InputRefused
        If they are larger than compression can make them.
    """
    if packed_bytes > MAX_PACKED_SHARE * unpacked_bytes + PACKED_SPARE_BYTES:
        raise refuse_surplus(role)


def refuse_truncated(role: str) -> InputRefused:
    """Make the refusal of a file that ends before its voxels do."""
    return InputRefused(f"The {role} image is cut short, its file ends before its voxels do: copy or export it again.")


def refuse_surplus(role: str) -> InputRefused:
    """Make the refusal of a file that holds more than its header says."""
    return InputRefused(f"The {role} image's file holds more data than its header says: export it again.")


def refuse_damaged(role: str) -> InputRefused:
    """Make the refusal of a file that cannot be unpacked or understood."""
    return InputRefused(f"The {role} image is damaged and cannot be read: copy or export it again.")
