"""A case's images in a folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from dicom_files import SeriesTags, write_classic, write_dicomdir
from image_files import write_case, write_image
from volumes import make_volume

from deepisles.case.layouts import find_plain_case
from deepisles.case.source import CaseSource
from deepisles.errors import InputRefused


def refuse(folder, fragment):
    with pytest.raises(InputRefused) as refused:
        find_plain_case(folder)
    message = str(refused.value)
    assert re.search(fragment, message), message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    "names",
    [
        ("dwi.nii.gz", "adc.nii.gz", "flair.nii.gz"),
        ("dwi.mha", "adc.nii", "flair.nii.gz"),
        ("DWI.nii.gz", "Adc.nii.gz", "FLAIR.mha"),
        ("dwi/any.mha", "adc/other.nii", "FLAIR/scan.nii.gz"),
        ("dwi.nii", "adc/other.nii"),
    ],
)
def test_case_is_found(tmp_path, names):
    write_case(tmp_path, *names)
    assert find_plain_case(tmp_path) == CaseSource(*(tmp_path / name for name in names))


def test_names_in_capitals_are_found(tmp_path):
    for modality in ("dwi", "adc"):
        write_image(tmp_path / f"{modality}.nii.gz").rename(tmp_path / f"{modality.upper()}.NII.GZ")
    assert find_plain_case(tmp_path) == CaseSource(tmp_path / "DWI.NII.GZ", tmp_path / "ADC.NII.GZ")


def test_sidecars_hidden_and_other_files_do_not_matter(tmp_path):
    write_case(tmp_path, "dwi.nii.gz", "adc/a.nii.gz")
    for name in (
        "dwi.json",
        "dwi.bval",
        "dwi.bvec",
        "adc/a.json",
        ".dwi.nii.gz",
        "._adc.nii.gz",
        "mask.nii.gz",
        "t1.mgz",
    ):
        (tmp_path / name).write_text("")
    assert find_plain_case(tmp_path) == CaseSource(tmp_path / "dwi.nii.gz", tmp_path / "adc" / "a.nii.gz")


def test_link_to_a_folder_is_kept_as_given(tmp_path):
    write_case(tmp_path / "stored")
    (tmp_path / "input").symlink_to(tmp_path / "stored")
    assert find_plain_case(tmp_path / "input").dwi == tmp_path / "input" / "dwi.nii.gz"


def test_missing_and_empty_folders(tmp_path):
    refuse(tmp_path / "nowhere", "nowhere was not found")
    refuse(tmp_path, f"{tmp_path} is empty")
    (tmp_path / "file").write_text("")
    refuse(tmp_path / "file", "was not found")


@pytest.mark.parametrize(
    ("names", "fragment"),
    [
        (("dwi.nii.gz",), "holds no ADC image: put a file called adc there"),
        (("adc.nii.gz", "flair.mha"), "holds no DWI image"),
        (("dwi.nii.gz", "adc.nii.gz", "adc.mha"), "2 candidates for the ADC image"),
        (("dwi.nii.gz", "adc.nii.gz", "DWI.mha"), "2 candidates for the DWI image"),
        (("dwi.nii.gz", "adc.nii.gz", "flair/a.mha", "flair/b.mha"), "2 candidates for the FLAIR image"),
        (("dwi.nii.gz", "adc.nii.gz", "flair/a.mha", "flair.mha"), "2 candidates for the FLAIR image"),
        (("dwi.nrrd", "adc.nii.gz"), "DWI image is in a format that is not accepted: give a .nii, .nii.gz or .mha"),
        # left out in silence, the case would go on without FLAIR
        (("dwi.nii.gz", "adc.nii.gz", "flair.nrrd"), "FLAIR image is in a format that is not accepted"),
        (("dwi.nii.gz", "adc.nii.gz", "flair/slice.nrrd"), "FLAIR image is in a format that is not accepted"),
        (("dwi.nii.gz", "adc.nii.gz", "dwi.nrrd"), "2 candidates for the DWI image"),
    ],
)
def test_what_is_missing_doubled_or_foreign(tmp_path, names, fragment):
    write_case(tmp_path, *names)
    refuse(tmp_path, fragment)


def test_empty_folder_of_an_image(tmp_path):
    write_case(tmp_path, "dwi.nii.gz", "adc.nii.gz")
    (tmp_path / "flair").mkdir()
    refuse(tmp_path, "folder of the FLAIR image is empty")


def write_dicom(folder, number=1):
    write_classic(folder, make_volume(shape=(5, 8, 8)), SeriesTags(number))
    return folder


def write_zip(path, folder):
    return Path(shutil.make_archive(str(path.with_suffix("")), "zip", write_dicom(folder)))


def test_dicom_by_the_image(tmp_path):
    case = tmp_path / "case"
    write_dicom(case / "DWI" / "deep" / "er")
    zipped = write_zip(case / "adc.zip", tmp_path / "zipped")
    (single,) = write_classic(tmp_path / "single", make_volume(shape=(1, 8, 8)), SeriesTags())
    single.rename(case / "flair")
    assert find_plain_case(case) == CaseSource(case / "DWI", zipped, case / "flair")


def test_an_adc_may_be_beside_a_dwi_in_dicom(tmp_path):
    write_dicom(tmp_path / "dwi")
    assert find_plain_case(tmp_path) == CaseSource(tmp_path / "dwi")


def test_dicom_and_other_files_mix_by_the_image(tmp_path):
    write_image(tmp_path / "dwi.nii.gz")
    write_dicom(tmp_path / "adc")
    assert find_plain_case(tmp_path) == CaseSource(tmp_path / "dwi.nii.gz", tmp_path / "adc")
    # an image file and DICOM in one folder: which is it?
    write_image(tmp_path / "adc" / "adc.nii.gz")
    refuse(tmp_path, "6 candidates for the ADC image")


def test_a_study_under_any_names(tmp_path):
    study = tmp_path / "study"
    for number, name in enumerate(("A/B/C", "series 2", "12345678")):
        write_dicom(study / name, number)
    write_dicomdir(study / "DICOMDIR")
    (study / "readme.txt").write_text("exported")
    assert find_plain_case(study) == CaseSource(study=study)
    loose = write_dicom(tmp_path / "loose")
    assert find_plain_case(loose) == CaseSource(study=loose)


def test_a_study_whose_folders_are_partly_named_as_images_is_not_robbed_of_its_flair(tmp_path):
    for name in ("dwi", "adc", "t2_tirm_dark-fluid"):
        write_dicom(tmp_path / name)
    assert find_plain_case(tmp_path) == CaseSource(study=tmp_path)


def test_a_zip_of_a_study(tmp_path):
    zipped = write_zip(tmp_path / "input" / "anything.zip", tmp_path / "stored")
    assert find_plain_case(zipped) == CaseSource(study=zipped)
    assert find_plain_case(zipped.parent) == CaseSource(study=zipped)
