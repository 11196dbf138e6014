"""What is fuzzed: each target takes any bytes, and answers or refuses.

A target fails by any error but a refusal, by an answer that breaks its promise, and by taking too long.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fuzz.mutations import JSON_WORDS, METAIMAGE_WORDS, NIFTI_NUMBERS, ZIP_WORDS

from deepisles.case.archive import MAX_TOTAL_BYTES, unpack_zip
from deepisles.case.image_header import ImageHeader
from deepisles.case.limits import MAX_SIDE_VOXELS, MAX_VOXELS
from deepisles.case.metaimage_header import read_metaimage_header
from deepisles.case.nifti_header import read_nifti_header
from deepisles.errors import GeometryError, InputRefused
from deepisles.grandchallenge.inputs import resolve_inputs

SLOW_SECONDS = 20.0
"""A few kilobytes take milliseconds; a busy machine may stop for a while."""

HEADER = b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
PLACE = b"TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 2 2 5\nDimSize = 8 8 2\n"
VOXELS = np.arange(128, dtype="<i2").tobytes()


@dataclass(frozen=True)
class Target:
    """Something that takes bytes.

    Parameters
    ----------
    check : callable
        Takes a folder to work in and the bytes; raises what the target may raise, and AssertionError.
    seeds : tuple of bytes
        What the target accepts, to start from.
    words : list of bytes
        What means something to it.
    """

    check: Callable[[Path, bytes], None]
    seeds: tuple[bytes, ...]
    words: list[bytes]

    def run(self, content: bytes) -> None:
        """Give it bytes; nothing happens unless it fails."""
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            started = time.monotonic()
            with suppress(InputRefused, GeometryError):
                self.check(Path(folder), content)
            assert time.monotonic() - started < SLOW_SECONDS, "too slow"


def check_header(header: ImageHeader, packed_bytes: int) -> None:
    assert min(header.size_xyz) >= 1
    assert max(header.size_xyz) <= MAX_SIDE_VOXELS
    assert math.prod(header.size_xyz) <= MAX_VOXELS
    # no more than what the file can hold, at zlib's best ratio
    assert header.data_bytes <= 1100 * packed_bytes


def check_metaimage(folder: Path, content: bytes) -> None:
    (folder / "image.mha").write_bytes(content)
    header = read_metaimage_header(folder / "image.mha", "DWI")
    check_header(header, len(content))
    assert header.block.count(b"ElementDataFile") >= 1


def check_nifti(folder: Path, content: bytes) -> None:
    (folder / "image.nii").write_bytes(content)
    check_header(read_nifti_header(folder / "image.nii", "DWI"), len(content))


def check_nifti_gz(folder: Path, content: bytes) -> None:
    (folder / "image.nii.gz").write_bytes(content)
    check_header(read_nifti_header(folder / "image.nii.gz", "DWI"), len(content))


def check_inputs_json(folder: Path, content: bytes) -> None:
    for modality in ("dwi", "adc", "flair"):
        image = folder / "images" / f"{modality}-brain-mri" / "image.mha"
        image.parent.mkdir(parents=True)
        image.write_bytes(b"")
    (folder / "inputs.json").write_bytes(content)
    files = resolve_inputs(folder).files
    for path in (files.dwi, files.adc, files.flair):
        assert path is None or (folder in path.parents and ".." not in path.parts and path.is_file())


def check_zip(folder: Path, content: bytes) -> None:
    (folder / "study.zip").write_bytes(content)
    (folder / "witness").write_bytes(b"untouched")
    try:
        unpack_zip(folder / "study.zip", folder / "unpacked", "study")
    finally:
        assert sorted(entry.name for entry in folder.iterdir()) == ["study.zip", "unpacked", "witness"]
        assert (folder / "witness").read_bytes() == b"untouched"
        entries = list((folder / "unpacked").rglob("*"))
        assert not any(entry.is_symlink() for entry in entries)
        assert sum(entry.stat().st_size for entry in entries if entry.is_file()) <= MAX_TOTAL_BYTES


def make_metaimages() -> tuple[bytes, ...]:
    packed = zlib.compress(VOXELS)
    end = b"ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    sizes = b"CompressedData = True\nCompressedDataSize = %d\n" % len(packed)
    return HEADER + PLACE + end + VOXELS, HEADER + sizes + PLACE + end + packed


def make_nifti() -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 8, 8, 2, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 2, 2, 5, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 5, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + VOXELS


def make_inputs_json() -> tuple[bytes, ...]:
    def describe(key: str, modality: str) -> dict[str, object]:
        slug = f"{modality}-brain-mri"
        return {key: {"slug": slug, "relative_path": f"images/{slug}"}, "image": {"name": "x"}}

    return tuple(
        json.dumps([describe(key, modality) for modality in modalities]).encode()
        for key in ("socket", "interface")
        for modalities in (("dwi", "adc", "flair"), ("dwi", "adc"))
    )


def make_zips() -> tuple[bytes, ...]:
    seeds = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as packed:
            packed.writestr("a/", b"")
            packed.writestr("a/IM0", b"0" * 50)
            packed.writestr("IM1", bytes(range(40)))
        seeds.append(file.getvalue())
    with zipfile.ZipFile(file := io.BytesIO(), "w") as packed, packed.open("IM0", "w", force_zip64=True) as entry:
        entry.write(b"1")
    return (*seeds, file.getvalue())


TARGETS = {
    "metaimage": Target(check_metaimage, make_metaimages(), METAIMAGE_WORDS),
    "nifti": Target(check_nifti, (make_nifti(),), NIFTI_NUMBERS),
    "nifti-gz": Target(
        check_nifti_gz,
        (gzip.compress(make_nifti()), gzip.compress(make_nifti()[:352]) + gzip.compress(VOXELS, 0)),
        [*NIFTI_NUMBERS, b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x08"],
    ),
    "inputs-json": Target(check_inputs_json, make_inputs_json(), JSON_WORDS),
    "zip": Target(check_zip, make_zips(), ZIP_WORDS),
}
