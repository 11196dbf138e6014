"""Whatever happens to a header, the answer is an image or a refusal."""

from __future__ import annotations

import gzip
from contextlib import suppress

import numpy as np
import pytest
import SimpleITK as sitk
from fuzz.mutations import METAIMAGE_WORDS, NIFTI_NUMBERS, changes, mutate
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import make_array, make_image, write_image

from deepisles.case.reading import read_volume
from deepisles.errors import GeometryError, InputRefused


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
@given(changes(METAIMAGE_WORDS))
def test_metaimage(folder, decoder, four_axes, compressed, found):
    image = make_image(make_array())
    sitk.WriteImage(sitk.JoinSeries([image]) if four_axes else image, folder / "base.mha", compressed)
    content = (folder / "base.mha").read_bytes()
    (folder / "mutant.mha").write_bytes(mutate(content, content.index(b"LOCAL\n") + 6, found))
    read_or_refuse(folder / "mutant.mha", decoder)


@pytest.mark.parametrize("zipped", [False, True])
@settings(max_examples=150)
@given(changes(NIFTI_NUMBERS))
def test_nifti(folder, decoder, zipped, found):
    content = mutate(write_image(folder / "base.nii").read_bytes(), 352, found)
    path = folder / ("mutant.nii.gz" if zipped else "mutant.nii")
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    read_or_refuse(path, decoder)


@settings(max_examples=100)
@given(st.integers(0, 347), st.sampled_from(NIFTI_NUMBERS))
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
