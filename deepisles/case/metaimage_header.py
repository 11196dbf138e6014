"""MetaImage (.mha): the header in lines of text, checked before ITK opens the file.

Keys and element types as MetaIO defines them ("MetaIO documentation", ITK).
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from deepisles.case.image_header import (
    CHUNK_BYTES,
    ImageHeader,
    check_dimensions,
    check_packed_size,
    refuse_damaged,
    refuse_surplus,
    refuse_truncated,
)
from deepisles.errors import InputRefused

MAX_HEADER_BYTES: Final = 1 << 18

PIXEL_TYPES: Final = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
"""NumPy's names of them; a MET_LONG has 4 bytes on every machine."""

_ZLIB_OR_GZIP: Final = 32 + zlib.MAX_WBITS
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?", re.ASCII)

NUMBERS_PER_AXIS: Final = ("Offset", "Position", "Origin", "CenterOfRotation", "ElementSpacing", "ElementSize")
NUMBERS_PER_PAIR_OF_AXES: Final = ("TransformMatrix", "Rotation", "Orientation")
"""Keys that hold a number for each axis, and for each pair of axes; MetaIO takes missing ones from the next line."""


def read_metaimage_header(path: Path, role: str) -> ImageHeader:
    """Read and check the header of a MetaImage, and that the file holds the voxels it promises.

    No memory is allotted from what the header claims; compressed voxels are unpacked piece by piece and dropped.

    Parameters
    ----------
    path : Path
        An existing file.
    role : str
        What the image is, for the message: "DWI".

    Returns
    -------
    ImageHeader
        Sizes and pixel size, within limits.

    Raises
    ------
    InputRefused
        If the file is no MetaImage, or one that is not accepted.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        block = file.read(MAX_HEADER_BYTES)
        fields, length = _parse_fields(block, role)
        header = _interpret(fields, block[:length], role)
        rest_bytes = path.stat().st_size - length
        if _truth(fields, "CompressedData", role):
            check_packed_size(rest_bytes, header.data_bytes, role)
            # without the size, ITK hands out voxels it never filled
            _check_stored_size(rest_bytes, _number(fields, "CompressedDataSize", role), role)
            file.seek(length)
            _check_compressed(file, header.data_bytes, role)
        else:
            _check_stored_size(rest_bytes, header.data_bytes, role)
    return header


def _parse_fields(block: bytes, role: str) -> tuple[dict[str, str], int]:
    """Split the header into its fields; it ends with the line ElementDataFile, after which the voxels begin."""
    fields: dict[str, str] = {}
    position = 0
    while "ElementDataFile" not in fields:
        end = block.find(b"\n", position)
        line = block[position : max(end, 0)].decode("latin-1")
        key, equals, value = line.partition("=")
        if end < 0 or not equals or (not fields and key.strip() not in ("ObjectType", "NDims", "Comment")):
            raise InputRefused(
                f"The {role} image is not a MetaImage although its name ends in .mha: export it again, "
                "or name it by its true format."
            )
        # to MetaIO these separate too, so that it would see other keys here
        if ":" in key or "\r" in line.rstrip("\r"):
            raise InputRefused(f"The {role} image's header is not written as MetaImages are: export it again.")
        if key.strip() in fields:
            raise InputRefused(f"The {role} image's header states {_shown(key)} twice: export it again.")
        fields[key.strip()] = value.strip()
        position = end + 1
    return fields, position


def _interpret(fields: dict[str, str], block: bytes, role: str) -> ImageHeader:
    if fields.get("ObjectType", "Image") != "Image":
        raise InputRefused(f"The {role} image's file holds a MetaIO object that is not an image: export it again.")
    if fields["ElementDataFile"] != "LOCAL":
        raise InputRefused(f"The {role} image keeps its voxels in another file: save it as one single .mha file.")
    if not _truth(fields, "BinaryData", role) or fields.get("HeaderSize", "0") != "0":
        raise InputRefused(f"The {role} image does not store its voxels as plain binary data: save it again as .mha.")
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise InputRefused(f"The {role} image has several values per voxel (colour or vectors): give a grey-scale one.")
    kind = fields.get("ElementType", "")
    if kind not in PIXEL_TYPES:
        raise InputRefused(
            f"The {role} image's pixel type is not accepted: save it with whole numbers of 8 to 64 bits, "
            "or floats of 32 or 64 bits."
        )
    sizes = [_whole(text, "DimSize", role) for text in fields.get("DimSize", "").split()]
    if _number(fields, "NDims", role) != len(sizes):
        raise InputRefused(f"The {role} image's header contradicts itself (NDims and DimSize): export it again.")
    _check_numbers(fields, len(sizes), role)
    order = ">" if _truth(fields, "BinaryDataByteOrderMSB", role) else "<"
    size_xyz, volumes = check_dimensions(sizes, role)
    return ImageHeader(size_xyz, np.dtype(order + PIXEL_TYPES[kind]), block, volumes)


def _check_numbers(fields: dict[str, str], axes: int, role: str) -> None:
    """Check that the keys for spacing and place hold as many numbers as they must; the numbers are looked at later."""
    counts = dict.fromkeys(NUMBERS_PER_AXIS, axes) | dict.fromkeys(NUMBERS_PER_PAIR_OF_AXES, axes**2)
    for key, count in counts.items():
        numbers = fields[key].split() if key in fields else None
        if numbers is not None and (len(numbers) != count or not all(map(_NUMBER.fullmatch, numbers))):
            raise InputRefused(f"The {role} image's header is wrong at {key}: export it again.")


def _check_stored_size(found_bytes: int, stated_bytes: int, role: str) -> None:
    if found_bytes < stated_bytes:
        raise refuse_truncated(role)
    if found_bytes > stated_bytes:
        raise refuse_surplus(role)


def _check_compressed(file: BinaryIO, expected_bytes: int, role: str) -> None:
    """Unpack the rest of the file in small pieces, never more than expected."""
    unpacker = zlib.decompressobj(_ZLIB_OR_GZIP)
    found_bytes = 0
    try:
        while not unpacker.eof and found_bytes <= expected_bytes:
            packed = unpacker.unconsumed_tail or file.read(CHUNK_BYTES)
            unpacked = unpacker.decompress(packed, CHUNK_BYTES)
            found_bytes += len(unpacked)
            if not packed and not unpacked:
                raise refuse_truncated(role)
    except zlib.error as error:
        raise refuse_damaged(role) from error
    _check_stored_size(found_bytes, expected_bytes, role)
    if unpacker.unused_data or file.read(1):
        raise refuse_surplus(role)


def _truth(fields: dict[str, str], key: str, role: str) -> bool:
    value = fields.get(key, "False").lower()
    if value not in ("true", "false"):
        raise InputRefused(f"The {role} image's header is wrong at {key}: export it again.")
    return value == "true"


def _number(fields: dict[str, str], key: str, role: str) -> int:
    return _whole(fields.get(key, ""), key, role)


def _whole(text: str, key: str, role: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InputRefused(f"The {role} image's header is wrong at {key}: export it again.")
    return int(text)


def _shown(key: str) -> str:
    """Show a key of a header, of which only letters can be trusted."""
    return re.sub(r"[^A-Za-z]", "", key)[:40] or "a field"
