"""Whatever happens to a header, the answer is an image or a refusal."""

from __future__ import annotations

import gzip
from contextlib import suppress

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import make_array, make_image, write_image

from deepisles.case.reading import read_volume
from deepisles.errors import GeometryError, InputRefused

WORDS = [b"0", b"-1", b"1e308", b"nan", b"inf", b"LOCAL", b"LIST", b"True", b"False", b"MET_DOUBLE", b"99999999"]
WORDS += [b"2 2 2", b"\n", b" ", b"=", b":", b"\r\n", b"NDims = 3\n", b"%s%n", b"ElementSize = 0 0 0\n", b"\0"]
NUMBERS = [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\x00"]
NUMBERS += [np.float32(value).tobytes() for value in (np.nan, np.inf, -np.inf, 1e30, 1e-30, -1.0)]


def mutate(content: bytes, header_bytes: int, changes) -> bytes:
    stored = bytearray(content)
    for kind, place, piece in changes:
        position = int(place * header_bytes)
        if kind == "overwrite":
            stored[position : position + len(piece)] = piece
        elif kind == "insert":
            stored[position:position] = piece
        elif kind == "delete":
            del stored[position : position + 1 + len(piece)]
        elif kind == "cut":
            del stored[int(place * len(stored)) :]
        else:
            stored += piece
    return bytes(stored)


def changes(pieces):
    kinds = st.sampled_from(["overwrite", "overwrite", "insert", "delete", "cut", "append"])
    piece = st.one_of(st.sampled_from(pieces), st.binary(min_size=1, max_size=4))
    place = st.floats(0, 1, exclude_max=True)
    return st.lists(st.tuples(kinds, place, piece), min_size=1, max_size=4)


def read_or_refuse(path, decoder):
    """Read, or be refused; any other error fails the test."""
    with suppress(InputRefused, GeometryError):
        volume = read_volume(path, "DWI", decoder=decoder)
        assert volume.array.size <= 2 * 540
        assert np.isfinite(volume.grid.affine_ras).all()
        assert volume.grid.voxel_volume_ml > 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mutations")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("four_axes", [False, True])
@settings(max_examples=150)
@given(changes(WORDS))
def test_metaimage(folder, decoder, four_axes, compressed, found):
    image = make_image(make_array())
    sitk.WriteImage(sitk.JoinSeries([image]) if four_axes else image, folder / "base.mha", compressed)
    content = (folder / "base.mha").read_bytes()
    (folder / "mutant.mha").write_bytes(mutate(content, content.index(b"LOCAL\n") + 6, found))
    read_or_refuse(folder / "mutant.mha", decoder)


@pytest.mark.parametrize("zipped", [False, True])
@settings(max_examples=150)
@given(changes(NUMBERS))
def test_nifti(folder, decoder, zipped, found):
    content = mutate(write_image(folder / "base.nii").read_bytes(), 352, found)
    path = folder / ("mutant.nii.gz" if zipped else "mutant.nii")
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    read_or_refuse(path, decoder)


@settings(max_examples=100)
@given(st.integers(0, 347), st.sampled_from(NUMBERS))
def test_single_nifti_fields(folder, decoder, offset, number):
    content = bytearray(write_image(folder / "base.nii").read_bytes())
    content[offset : offset + len(number)] = number
    (folder / "field.nii").write_bytes(content)
    read_or_refuse(folder / "field.nii", decoder)


@settings(max_examples=100)
@given(st.binary(max_size=600))
def test_noise(folder, decoder, content):
    for name in ("noise.mha", "noise.nii", "noise.nii.gz"):
        (folder / name).write_bytes(content)
        read_or_refuse(folder / name, decoder)
    (folder / "noise.nii.gz").write_bytes(gzip.compress(content))
    read_or_refuse(folder / "noise.nii.gz", decoder)
