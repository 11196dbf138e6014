"""What is read is what was written."""

from __future__ import annotations

import gzip
import struct

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from image_files import PIXEL_TYPES, edit_header, make_array, make_image, patch, write_case, write_image
from volumes import grids

from deepisles.case.decoder import InProcessDecoder
from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_case, read_volume
from deepisles.errors import InputRefused

SUFFIXES = (".mha", ".nii", ".nii.gz")


def lies_as(grid, image):
    assert grid.shape == image.GetSize()[2::-1]
    np.testing.assert_allclose(grid.spacing_mm, image.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(grid.origin_mm, image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(grid.direction, image.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", PIXEL_TYPES)
def test_every_pixel_type_survives(tmp_path, capfd, dtype, compressed, suffix):
    array = make_array(dtype)
    volume = read_volume(write_image(tmp_path / f"image{suffix}", array, compressed=compressed), "DWI")
    assert volume.array.dtype == array.dtype
    np.testing.assert_array_equal(volume.array, array)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(grid=grids.filter(lambda grid: sorted(grid.shape)[1] >= 8))
def test_every_placement_survives(tmp_path_factory, decoder, suffix, grid):
    image = sitk.GetImageFromArray(make_array(shape=grid.shape))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    path = tmp_path_factory.getbasetemp() / f"placed{suffix}"
    sitk.WriteImage(image, path)
    volume = read_volume(path, "DWI", decoder=decoder)
    lies_as(volume.grid, image)
    # the very same doubles, whoever decodes
    assert volume.grid == read_volume(path, "DWI", decoder=InProcessDecoder()).grid
    assert (volume.grid.stored_affine is None) == (suffix == ".mha")
    if suffix != ".mha":
        np.testing.assert_array_equal(volume.grid.affine_ras, nibabel.load(path).affine)


@pytest.mark.parametrize("signs", [(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_flipped_axes_survive(tmp_path, suffix, signs):
    image = make_image(make_array())
    image.SetDirection(np.diag(signs).astype(float).ravel().tolist())
    sitk.WriteImage(image, tmp_path / f"image{suffix}")
    volume = read_volume(tmp_path / f"image{suffix}", "DWI")
    lies_as(volume.grid, image)
    np.testing.assert_array_equal(volume.array, make_array())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_volume_of_a_4d_file_is_taken(tmp_path, suffix):
    image = make_image(make_array(), rotation_deg=(10, 20, 30))
    sitk.WriteImage(sitk.JoinSeries([image]), tmp_path / f"image{suffix}")
    volume = read_volume(tmp_path / f"image{suffix}", "DWI")
    lies_as(volume.grid, image)
    np.testing.assert_array_equal(volume.array, make_array())


@pytest.mark.parametrize(("slope", "offset"), [(0.06, 1979.9), (14.47, 0), (-1, 3), (0, 0), (np.nan, np.nan)])
def test_scaled_nifti_values_are_those_that_nibabel_gives(tmp_path, slope, offset):
    path = patch(write_image(tmp_path / "image.nii"), 112, struct.pack("<2f", slope, offset))
    expected = nibabel.load(path).get_fdata().T
    np.testing.assert_allclose(read_volume(path, "ADC").array, expected, rtol=1e-6)


def test_big_endian_files_are_read(tmp_path):
    array = make_array(">i2")
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.save(nibabel.Nifti1Image(array.T, np.diag([2, 2, 5, 1]), header), tmp_path / "image.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "image.nii.gz", "DWI").array, array)
    path = write_image(tmp_path / "image.mha", make_array(), compressed=False)
    edit_header(path, "OrderMSB = False", "OrderMSB = True")
    path.write_bytes(path.read_bytes()[: -array.nbytes] + array.tobytes())
    np.testing.assert_array_equal(read_volume(path, "DWI").array, array)


def test_nifti_with_an_extension_is_read(tmp_path):
    image = nibabel.Nifti1Image(make_array().T, np.diag([2, 2, 5, 1]), dtype="int16")
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"scanned upside down"))
    nibabel.save(image, tmp_path / "image.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "image.nii.gz", "DWI").array, make_array())


def test_names_in_capitals_and_links_are_read(tmp_path):
    stored = write_image(tmp_path / "elsewhere" / "image.nii.gz")
    (tmp_path / "IMAGE.NII.GZ").write_bytes(stored.read_bytes())
    (tmp_path / "IMAGE.MHA").write_bytes(write_image(tmp_path / "elsewhere" / "image.mha").read_bytes())
    (tmp_path / "link.nii.gz").symlink_to(stored)
    for name in ("IMAGE.NII.GZ", "IMAGE.MHA", "link.nii.gz"):
        np.testing.assert_array_equal(read_volume(tmp_path / name, "DWI").array, make_array())


def test_a_neighbour_of_the_same_name_is_not_read_instead(tmp_path):
    # ITK's NIfTI library takes the voxels of x.nii when asked for x.nii.gz
    write_image(tmp_path / "image.nii", make_array(seed=1))
    write_image(tmp_path / "image.nii.gz", make_array(seed=2))
    np.testing.assert_array_equal(read_volume(tmp_path / "image.nii.gz", "DWI").array, make_array(seed=2))
    np.testing.assert_array_equal(read_volume(tmp_path / "image.nii", "DWI").array, make_array(seed=1))


def test_a_mask_may_be_empty(tmp_path):
    path = write_image(tmp_path / "mask.nii.gz", np.zeros((6, 9, 10), np.uint8))
    assert not read_volume(path, "mask", allow_constant=True).array.any()


def test_case_with_and_without_flair(tmp_path):
    write_case(tmp_path)
    files = CaseFiles(*(tmp_path / f"{name}.nii.gz" for name in ("dwi", "adc", "flair")))
    case = read_case(files)
    for seed, volume in enumerate((case.dwi, case.adc, case.flair)):
        np.testing.assert_array_equal(volume.array, make_array(seed=seed))
    assert case.warnings == ()
    assert case.checks
    assert all("\n" not in check for check in case.checks)
    assert read_case(CaseFiles(files.dwi, files.adc)).flair is None


def test_an_image_given_twice_is_refused(tmp_path):
    write_case(tmp_path)
    dwi, adc = tmp_path / "dwi.nii.gz", tmp_path / "adc.nii.gz"
    with pytest.raises(InputRefused, match=r"^The DWI image and the ADC image are one and the same"):
        read_case(CaseFiles(dwi, dwi))
    with pytest.raises(InputRefused, match=r"^The ADC image and the FLAIR image are one and the same"):
        read_case(CaseFiles(dwi, adc, adc))


@pytest.mark.parametrize("case", ["isles22-0009", "soop-sub3", "thick-slices"])
def test_real_images_hold_what_nibabel_reads(cases, case):
    for path in sorted((cases / case).glob("*.nii.gz")):
        volume = read_volume(path, "DWI")
        stored = nibabel.load(path)
        expected = np.squeeze(stored.get_fdata()).T
        np.testing.assert_allclose(volume.array, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
        np.testing.assert_array_equal(volume.grid.affine_ras, stored.affine)
        np.testing.assert_allclose(
            np.diag([-1, -1, 1, 1]) @ volume.grid.affine_lps, stored.affine, atol=1e-4, err_msg=path.name
        )


def test_the_same_real_case_in_both_formats_is_equal(cases):
    folder = cases / "thick-slices"
    for modality in ("dwi", "adc", "flair"):
        (metaimage,) = (folder / "grand-challenge" / "images" / f"{modality}-brain-mri").glob("*.mha")
        read, other = read_volume(metaimage, modality), read_volume(folder / f"{modality}.nii.gz", modality)
        np.testing.assert_array_equal(read.array, other.array)
        assert read.grid.matches(other.grid, 1e-3)


def test_real_cases_read_without_warnings(cases):
    for case in ("isles22-0009", "soop-sub3", "thick-slices"):
        flair = cases / case / "flair.nii.gz"
        files = CaseFiles(cases / case / "dwi.nii.gz", cases / case / "adc.nii.gz", flair if flair.exists() else None)
        assert read_case(files).warnings == ()


def test_gzip_in_several_members_is_read(tmp_path):
    plain = write_image(tmp_path / "plain.nii").read_bytes()
    (tmp_path / "image.nii.gz").write_bytes(gzip.compress(plain[:700]) + gzip.compress(plain[700:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "image.nii.gz", "DWI").array, make_array())


def test_gzip_that_is_filled_up_with_zeros_is_read(tmp_path):
    path = write_image(tmp_path / "image.nii.gz")
    path.write_bytes(path.read_bytes() + b"\0" * 1024)
    np.testing.assert_array_equal(read_volume(path, "DWI").array, make_array())


def test_voxels_that_do_not_shrink_are_read(tmp_path):
    array = np.random.default_rng(3).integers(0, 256, size=(40, 128, 128)).astype(np.uint8)
    for name in ("image.nii.gz", "image.mha"):
        write_image(tmp_path / name, array)
        np.testing.assert_array_equal(read_volume(tmp_path / name, "DWI").array, array)
    plain = gzip.decompress((tmp_path / "image.nii.gz").read_bytes())
    blocks = (plain[start : start + 16384] for start in range(0, len(plain), 16384))
    (tmp_path / "image.nii.gz").write_bytes(b"".join(gzip.compress(block, 0) for block in blocks))
    np.testing.assert_array_equal(read_volume(tmp_path / "image.nii.gz", "DWI").array, array)


@pytest.mark.parametrize(
    ("spacing_mm", "warned"), [((0.45, 0.45, 5.0), 0), ((2, 2, 8), 0), ((2, 2, 9), 1), ((0.3, 0.3, 5), 1)]
)
def test_unusual_voxel_sizes_are_warned_about(tmp_path, spacing_mm, warned):
    write_image(tmp_path / "dwi.nii.gz", make_array(seed=1), spacing_mm=spacing_mm)
    write_image(tmp_path / "adc.nii.gz", make_array(seed=2), spacing_mm=(2, 2, 5))
    warnings = read_case(CaseFiles(tmp_path / "dwi.nii.gz", tmp_path / "adc.nii.gz")).warnings
    assert len(warnings) == warned
    assert all("DWI image's voxels" in warning for warning in warnings)
