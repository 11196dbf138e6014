"""Every image that will not be processed is refused in one sentence that says what to do."""

from __future__ import annotations

import gzip
import re
import resource
import struct
import time
import zlib

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from image_files import edit_header, make_array, make_image, patch, write_image

from deepisles.case.reading import read_volume
from deepisles.errors import GeometryError, InputRefused

HEADER_3D = "ObjectType = Image\nNDims = 3\nBinaryData = True\n"


def refuse(path, error, fragment):
    """Read an image and check how it is refused."""
    with pytest.raises(error) as refused:
        read_volume(path, "DWI")
    message = str(refused.value)
    assert re.search(fragment, message), message
    assert message.startswith("The DWI image")
    assert message.endswith(".")
    assert "\n" not in message
    assert not re.search(r"[.!?] [A-Z]", message), "more than one sentence"
    assert "secret" not in message


@pytest.fixture
def mha(tmp_path):
    return write_image(tmp_path / "secret.mha", compressed=False)


@pytest.fixture
def nii(tmp_path):
    return write_image(tmp_path / "secret.nii")


@pytest.fixture
def nii_gz(tmp_path):
    return write_image(tmp_path / "secret.nii.gz")


def write_metaimage(path, header, data=b""):
    path.write_bytes(header.encode() + data)
    return path


def test_missing_file_is_named_as_typed(tmp_path):
    with pytest.raises(InputRefused, match=re.escape(f"was not found: there is no {tmp_path}/dwi.nii.gz.")):
        read_volume(tmp_path / "dwi.nii.gz", "DWI")


def test_other_things_than_images(tmp_path):
    (tmp_path / "secret.mha").mkdir()
    refuse(tmp_path / "secret.mha", InputRefused, "not a file")
    write_image(tmp_path / "secret.nrrd")
    refuse(tmp_path / "secret.nrrd", InputRefused, r"format that is not accepted: give a \.nii, \.nii\.gz or \.mha")
    for name, fragment in (
        ("a.mha", "not a MetaImage"),
        ("a.nii", "not NIfTI"),
        ("a.nii.gz", "not compressed"),
    ):
        for content in (b"", b"x", b"patient: secret\nborn 1950\n" * 50):
            (tmp_path / name).write_bytes(content)
            refuse(tmp_path / name, InputRefused, fragment)


def test_formats_under_another_name(tmp_path, mha, nii, nii_gz):
    (tmp_path / "b.nii").write_bytes(nii_gz.read_bytes())
    refuse(tmp_path / "b.nii", InputRefused, r"compressed.*rename it to end in \.nii\.gz")
    (tmp_path / "b.nii.gz").write_bytes(nii.read_bytes())
    refuse(tmp_path / "b.nii.gz", InputRefused, r"not compressed.*rename it to end in \.nii")
    (tmp_path / "b.mha").write_bytes(nii.read_bytes())
    refuse(tmp_path / "b.mha", InputRefused, "not a MetaImage")
    (tmp_path / "b.nii").write_bytes(mha.read_bytes())
    refuse(tmp_path / "b.nii", InputRefused, "not NIfTI")
    nibabel.save(nibabel.Nifti2Image(make_array().T, np.eye(4)), tmp_path / "b.nii")
    refuse(tmp_path / "b.nii", InputRefused, "NIfTI-2: save it as NIfTI-1")
    nibabel.save(nibabel.Nifti1Pair(make_array().T, np.eye(4)), tmp_path / "pair.img")
    (tmp_path / "b.nii").write_bytes((tmp_path / "pair.hdr").read_bytes())
    refuse(tmp_path / "b.nii", InputRefused, "not a single NIfTI file")


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz"])
def test_files_cut_short(tmp_path, suffix):
    for compressed in (False, True):
        whole = write_image(tmp_path / f"whole{suffix}", compressed=compressed).read_bytes()
        for length in (len(whole) - 1, len(whole) // 2 + 150, 400):
            (tmp_path / f"secret{suffix}").write_bytes(whole[:length])
            refuse(tmp_path / f"secret{suffix}", InputRefused, "cut short|not a MetaImage|damaged")


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz"])
def test_files_with_more_data_than_stated(tmp_path, suffix):
    path = write_image(tmp_path / f"secret{suffix}", compressed=False)
    content = path.read_bytes()
    longer = gzip.compress(gzip.decompress(content) + b"\0" * 50) if suffix == ".nii.gz" else content + b"\0" * 50
    path.write_bytes(longer)
    refuse(path, InputRefused, "more data than its header says")


def test_damaged_compression(tmp_path, nii_gz):
    stored = bytearray(nii_gz.read_bytes())
    stored[len(stored) // 2] ^= 0x10
    nii_gz.write_bytes(stored)
    refuse(nii_gz, InputRefused, "damaged|cut short|more data")
    path = write_image(tmp_path / "c.mha", compressed=True)
    patch(path, path.read_bytes().index(b"LOCAL\n") + 6, b"\xff\xff\xff\xff")
    refuse(path, InputRefused, "damaged")


def test_unpacking_stops_at_the_stated_size(tmp_path):
    # 4 GiB of zeros behind the header of a small image: neither time nor memory is spent on them
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    header = write_image(tmp_path / "small.nii").read_bytes()[:352]
    block = b"\0" * (1 << 24)
    with gzip.open(tmp_path / "secret.nii.gz", "wb", compresslevel=1) as file:
        file.write(header)
        file.write(block)
    members = gzip.compress(block, 1) * 256
    with (tmp_path / "secret.nii.gz").open("ab") as appended:
        appended.write(members)
    refuse(tmp_path / "secret.nii.gz", InputRefused, "more data")
    packed = zlib.compress(block * 4)
    fields = f"CompressedData = True\nCompressedDataSize = {len(packed)}\nDimSize = 10 9 6\nElementType = MET_SHORT\n"
    write_metaimage(tmp_path / "secret.mha", f"{HEADER_3D}{fields}ElementDataFile = LOCAL\n", packed)
    refuse(tmp_path / "secret.mha", InputRefused, "more data")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


def test_compression_that_only_takes_time(tmp_path, nii_gz):
    # members without content, a name without end, and padding: none of it unpacks to anything
    started = time.monotonic()
    whole = nii_gz.read_bytes()
    empty = gzip.compress(b"", 9)
    endless_name = b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"n" * (50 << 20)
    for content, fragment in (
        (empty * 150_000 + whole, "damaged"),
        (whole + empty * 150_000, "more data"),
        (endless_name, "cut short"),
        (whole + b"\0" * (50 << 20), "more data"),
        (b"\0" * (50 << 20) + whole, "not compressed"),
    ):
        nii_gz.write_bytes(content)
        refuse(nii_gz, InputRefused, fragment)
    packed = zlib.compress(make_array().tobytes()) + b"\0" * (1 << 20)
    fields = f"CompressedData = True\nCompressedDataSize = {len(packed)}\nDimSize = 10 9 6\nElementType = MET_SHORT\n"
    write_metaimage(tmp_path / "secret.mha", f"{HEADER_3D}{fields}ElementDataFile = LOCAL\n", packed)
    refuse(tmp_path / "secret.mha", InputRefused, "more data")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("size", [1 << 31, 1 << 40])
def test_files_larger_than_any_image(tmp_path, nii, nii_gz, mha, size):
    for path in (nii, nii_gz, mha):
        with path.open("r+b") as file:
            file.truncate(size)
        refuse(path, InputRefused, "more data than its header says")


@pytest.mark.parametrize(
    ("old", "new", "fragment"),
    [
        ("ObjectType = Image", "ObjectType = Tube", "not an image"),
        ("NDims = 3", "NDims = 2", "contradicts itself"),
        ("NDims = 3", "NDims = three", "wrong at NDims"),
        ("NDims = 3", "NDims = 3\nNDims = 3", "states NDims twice"),
        ("DimSize = 10 9 6", "DimSize = 10 9", "contradicts itself"),
        ("DimSize = 10 9 6", "DimSize = 10 -9 6", "wrong at DimSize"),
        ("DimSize = 10 9 6", "DimSize = 10 9 99999999999", "more than the 1024 a side"),
        ("DimSize = 10 9 6", "DimSize = 1024 1024 1024", "more than the 1024 a side and 134217728 in all"),
        ("DimSize = 10 9 6", "DimSize = 90 6 1", "only 90 x 6 x 1 voxels"),
        ("BinaryData = True", "BinaryData = False", "plain binary data"),
        ("BinaryData = True", "BinaryData = maybe", "wrong at BinaryData"),
        ("CompressedData = False", "CompressedData = True", "wrong at CompressedDataSize"),
        ("CompressedData = False", "CompressedData = True\nCompressedDataSize = 9999", "cut short"),
        ("CompressedData = False", "CompressedData = False\nHeaderSize = -1", "plain binary data"),
        ("ElementType = MET_SHORT", "ElementType = MET_SHORT_ARRAY", "pixel type is not accepted"),
        ("ElementType = MET_SHORT", "ElementType = MET_DOUBLE", "cut short"),
        ("ElementType = MET_SHORT", "ElementType = MET_SHORT\nElementNumberOfChannels = 3", "several values per voxel"),
        ("ElementDataFile = LOCAL", "ElementDataFile = /etc/passwd", "another file"),
        ("ElementDataFile = LOCAL", "ElementDataFile = LIST", "another file"),
        ("ElementDataFile = LOCAL", "", "not a MetaImage"),
        # MetaIO takes a colon for a separator too, and would look into the files on the next lines
        ("NDims = 3", "NDims = 3\nElementDataFile: LIST = 1", "not written as MetaImages are"),
        ("NDims = 3", "NDims = 3\nComment = 1\rElementDataFile = LIST", "not written as MetaImages are"),
        # and missing numbers from the next line
        ("Offset = 10 -20 30", "Offset = 10 -20", "wrong at Offset"),
        ("Offset = 10 -20 30", "Offset = 10 -20 nan", "wrong at Offset"),
        ("ElementSpacing = 2 2 5", "ElementSpacing = 2 2 5 7", "wrong at ElementSpacing"),
        ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 1 0 0 0 1 0 0 0", "wrong at TransformMatrix"),
    ],
)
def test_wrong_metaimage_headers(mha, old, new, fragment):
    refuse(edit_header(mha, old, new), InputRefused, fragment)


@pytest.mark.parametrize(
    ("offset", "content", "fragment"),
    [
        (40, struct.pack("<h", 0), "damaged"),
        (40, struct.pack("<h", 2), "is 2-D"),
        (40, struct.pack("<h", 5), "is 5-D"),
        (40, struct.pack("<5h", 4, 10, 9, 3, 2), "holds 2 volumes"),
        (42, struct.pack("<h", -10), "damaged"),
        (42, struct.pack("<h", 32000), "more than the 1024 a side"),
        (42, struct.pack("<3h", 1000, 1000, 1000), "more than the 1024 a side and 134217728 in all"),
        (42, struct.pack("<3h", 90, 6, 1), "only 90 x 6 x 1 voxels"),
        (42, struct.pack("<3h", 11, 9, 6), "cut short"),
        (70, struct.pack("<2h", 32, 64), "several values per voxel"),
        (70, struct.pack("<2h", 128, 24), "several values per voxel"),
        (70, struct.pack("<2h", 1, 1), "pixel type is not accepted"),
        (70, struct.pack("<2h", 1536, 128), "pixel type is not accepted"),
        (72, struct.pack("<h", 8), "damaged"),
        (108, struct.pack("<f", 0), "where its voxels begin"),
        (108, struct.pack("<f", np.nan), "where its voxels begin"),
        (108, struct.pack("<f", 1e30), "where its voxels begin"),
        (112, struct.pack("<2f", 0, 5), "scales its values"),
        (112, struct.pack("<2f", 2, np.nan), "scales its values"),
    ],
)
def test_wrong_nifti_headers(nii, offset, content, fragment):
    refuse(patch(nii, offset, content), InputRefused, fragment)


@pytest.mark.parametrize(
    ("offset", "content", "fragment"),
    [
        (80, struct.pack("<f", 0), "no positive number"),
        (80, struct.pack("<f", np.nan), "no positive number"),
        (80, struct.pack("<f", -2), "no positive number"),
        (80, struct.pack("<f", 1e-3), "two different voxel sizes|too small"),
        (80, struct.pack("<f", 2.5), "two different voxel sizes"),
        (123, b"\x01", "check the spacing and its unit"),
        (123, b"\x03", "check the spacing and its unit"),
        # ITK would never return from an infinite number here
        (280, struct.pack("<f", np.inf), "impossible numbers"),
        (256, struct.pack("<f", np.nan), "impossible numbers"),
        (284, struct.pack("<f", 1.0), "right angles|two different voxel sizes"),
    ],
)
def test_impossible_nifti_placements(nii, offset, content, fragment):
    refuse(patch(nii, offset, content), GeometryError, fragment)


@pytest.mark.parametrize(
    ("old", "new", "fragment"),
    [
        ("ElementSpacing = 2 2 5", "ElementSpacing = 0.001 2 5", "too small for MRI"),
        ("ElementSpacing = 2 2 5", "ElementSpacing = 200 2 5", "more than a scanner can"),
        ("Offset = 10 -20 30", "Offset = 1e9 0 0", "metres away"),
        ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 1 0.2 0 0 1 0 0 0 1", "right angles"),
        ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 2 0 0 0 1 0 0 0 1", "right angles"),
        ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 0 0 0 0 0 0 0 0 0", "right angles"),
    ],
)
def test_impossible_metaimage_placements(mha, old, new, fragment):
    refuse(edit_header(mha, old, new), GeometryError, fragment)


def test_a_sheared_nifti_is_refused(tmp_path):
    affine = np.diag([2.0, 2, 5, 1])
    affine[0, 1] = 0.4
    image = nibabel.Nifti1Image(make_array().T, None)
    image.set_sform(affine, 1)
    nibabel.save(image, tmp_path / "secret.nii.gz")
    refuse(tmp_path / "secret.nii.gz", GeometryError, "right angles: resample it")


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz"])
def test_wrong_shapes(tmp_path, suffix):
    path = tmp_path / f"secret{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(make_array(shape=(9, 10))), path)
    refuse(path, InputRefused, "is 2-D")
    sitk.WriteImage(sitk.JoinSeries([make_image(make_array(seed=s)) for s in (1, 2)]), path)
    refuse(path, InputRefused, "holds 2 volumes of like brightness")
    sitk.WriteImage(sitk.GetImageFromArray(make_array(shape=(6, 9, 10, 3)), isVector=True), path)
    refuse(path, InputRefused, "several values per voxel|holds|5-D")
    sitk.WriteImage(sitk.GetImageFromArray(make_array(shape=(1, 9, 10))), path)
    refuse(path, InputRefused, "only 10 x 9 x 1 voxels")


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz"])
@pytest.mark.parametrize(
    ("value", "everywhere", "fragment"),
    [
        (np.nan, False, "1 voxel\\(s\\) that are not finite"),
        (np.inf, False, "1 voxel\\(s\\) that are not finite"),
        (-np.inf, False, "1 voxel\\(s\\) that are not finite"),
        (np.nan, True, "540 voxel\\(s\\) that are not finite"),
        (1e30, False, "values beyond"),
        (0, True, "all its voxels are zero"),
        (7, True, "all its voxels are 7"),
    ],
)
def test_wrong_values(tmp_path, suffix, value, everywhere, fragment):
    array = make_array("float64")
    array[slice(None) if everywhere else (3, 4, 5)] = value
    refuse(write_image(tmp_path / f"secret{suffix}", array), InputRefused, fragment)


def test_files_that_may_not_be_read(mha, monkeypatch):
    # tests may run as root, whom no permission stops
    def forbid(*_arguments, **_options):
        raise PermissionError(13, "Permission denied", str(mha))

    monkeypatch.setattr(type(mha), "open", forbid)
    refuse(mha, InputRefused, "cannot be opened: check that you may read")
