"""NIfTI-1 (.nii, .nii.gz): the 348-byte header, checked before ITK opens the file.

Offsets and codes as in nifti1.h (NIfTI-1 data format, NIMH).
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from deepisles.case.formats import NIFTI_GZ_SUFFIX, split_name
from deepisles.case.gzip_stream import GzipStream
from deepisles.case.image_header import (
    CHUNK_BYTES,
    ImageHeader,
    check_dimensions,
    check_packed_size,
    refuse_damaged,
    refuse_surplus,
    refuse_truncated,
)
from deepisles.case.limits import MAX_DATA_BYTES, MAX_ORIGIN_MM, refuse_not_finite
from deepisles.errors import GeometryError, InputRefused

HEADER_BYTES: Final = 348
NIFTI2_HEADER_BYTES: Final = 540
MIN_DATA_OFFSET: Final = 352
MAX_DATA_OFFSET: Final = MIN_DATA_OFFSET + (16 << 20)
"""Extensions between header and voxels may hold a copy of the DICOM header, but not more."""

PIXEL_TYPES: Final = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
"""NumPy's names of the datatype codes."""

SEVERAL_VALUES_DATATYPES: Final = (32, 128, 1792, 2048, 2304)
"""complex64, RGB, complex128, complex256, RGBA."""

_GZIP_MAGIC: Final = b"\x1f\x8b"


def read_nifti_header(path: Path, role: str) -> ImageHeader:
    """Read and check the header of a NIfTI file, and that the file holds the voxels it promises.

    No memory is allotted from what the header claims; gzip data is unpacked piece by piece and dropped.

    Parameters
    ----------
    path : Path
        An existing file whose name ends in .nii or .nii.gz.
    role : str
        What the image is, for the message: "DWI".

    Returns
    -------
    ImageHeader
        Sizes and pixel size, within limits; its `block` is the 348-byte header.

    Raises
    ------
    InputRefused
        If the file is no NIfTI-1 file, or one that is not accepted.
    GeometryError
        If the header places the image by impossible numbers.
    OSError
        If the file cannot be read.
    """
    zipped = split_name(path)[1] == NIFTI_GZ_SUFFIX
    with path.open("rb") as raw:
        if raw.read(2).startswith(_GZIP_MAGIC) != zipped:
            found, name = ("not compressed", ".nii") if zipped else ("compressed", ".nii.gz")
            raise InputRefused(f"The {role} image is {found}, which its name does not say: rename it to end in {name}.")
        raw.seek(0)
        packed_bytes = path.stat().st_size
        check_packed_size(packed_bytes, MAX_DATA_OFFSET + MAX_DATA_BYTES, role)
        file = io.BufferedReader(GzipStream(raw), CHUNK_BYTES) if zipped else raw
        try:
            header, data_offset = _interpret(file.read(HEADER_BYTES), role)
            if zipped:
                check_packed_size(packed_bytes, data_offset + header.data_bytes, role)
            file.read(data_offset - HEADER_BYTES)
            _check_voxels(file, header, role)
        except EOFError as error:
            raise refuse_truncated(role) from error
        except zlib.error as error:
            raise refuse_damaged(role) from error
    return header


def _interpret(block: bytes, role: str) -> tuple[ImageHeader, int]:
    """Check the header's claims; give them and where the voxels begin."""
    order = _byte_order(block, role)
    if block[344:348] != b"n+1\0":
        raise InputRefused(f"The {role} image is not a single NIfTI file: save it as one .nii or .nii.gz file.")
    dims = struct.unpack_from(f"{order}8h", block, 40)
    datatype, bits = struct.unpack_from(f"{order}2h", block, 70)
    (data_offset,) = struct.unpack_from(f"{order}f", block, 108)
    slope, offset = struct.unpack_from(f"{order}2f", block, 112)
    if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1:
        raise refuse_damaged(role)
    size_xyz, volumes = check_dimensions(dims[1 : dims[0] + 1], role)
    if datatype in SEVERAL_VALUES_DATATYPES:
        raise InputRefused(f"The {role} image has several values per voxel (colour or complex): give a grey-scale one.")
    if datatype not in PIXEL_TYPES:
        raise InputRefused(
            f"The {role} image's pixel type is not accepted: save it with whole numbers of 8 to 64 bits, "
            "or floats of 32 or 64 bits."
        )
    pixel_type = np.dtype(order + PIXEL_TYPES[datatype])
    if bits != 8 * pixel_type.itemsize:
        raise refuse_damaged(role)
    if not (MIN_DATA_OFFSET <= data_offset <= MAX_DATA_OFFSET and data_offset == int(data_offset)):
        raise InputRefused(f"The {role} image's header does not say where its voxels begin: export it again.")
    # a slope of 0 or no number means unscaled values; with an offset beside it readers disagree
    if (slope == 0 and offset != 0) or (slope != 0 and math.isfinite(slope) and not math.isfinite(offset)):
        raise InputRefused(f"The {role} image's header scales its values by no sensible factor: export it again.")
    _check_placement(block, order, role)
    return ImageHeader(size_xyz, pixel_type, block, volumes), int(data_offset)


def _check_placement(block: bytes, order: str, role: str) -> None:
    """Refuse spacing, qform and sform numbers that are no millimetres; ITK never returns from an infinite sform."""
    spacing = struct.unpack_from(f"{order}3f", block, 80)
    qform_code, sform_code = struct.unpack_from(f"{order}2h", block, 252)
    qform = struct.unpack_from(f"{order}6f", block, 256) if qform_code > 0 else ()
    sform = struct.unpack_from(f"{order}12f", block, 280) if sform_code > 0 else ()
    # ITK takes a spacing of zero or no number for 1 mm
    if not all(math.isfinite(side) and side > 0 for side in spacing):
        raise GeometryError(f"The {role} image's header holds a spacing that is no positive number: export it again.")
    if not all(abs(number) <= MAX_ORIGIN_MM for number in (*spacing, *qform, *sform)):
        raise GeometryError(f"The {role} image's header places it by impossible numbers: export it again.")


def _byte_order(block: bytes, role: str) -> str:
    for order in "<>":
        size = struct.unpack_from(f"{order}i", block)[0] if len(block) >= 4 else 0
        if size == NIFTI2_HEADER_BYTES:
            raise InputRefused(f"The {role} image is in NIfTI-2: save it as NIfTI-1.")
        if size == HEADER_BYTES:
            if len(block) < HEADER_BYTES:
                raise refuse_truncated(role)
            return order
    raise InputRefused(
        f"The {role} image is not NIfTI although its name says so: export it again, or name it by its true format."
    )


def _check_voxels(file: BinaryIO, header: ImageHeader, role: str) -> None:
    """Read the voxels in pieces and drop them, to the file's end, which also verifies gzip's checksum.

    Values are looked at here because ITK's NIfTI library turns NaN and infinity into zero.
    """
    found_bytes = not_finite = 0
    while piece := file.read(CHUNK_BYTES):
        found_bytes += len(piece)
        if found_bytes > header.data_bytes:
            raise refuse_surplus(role)
        if header.pixel_type.kind == "f":
            values = np.frombuffer(piece, header.pixel_type, len(piece) // header.pixel_type.itemsize)
            not_finite += values.size - int(np.count_nonzero(np.isfinite(values)))
    if found_bytes < header.data_bytes:
        raise refuse_truncated(role)
    if not_finite:
        raise refuse_not_finite(not_finite, role)
