"""A case on Grand Challenge leaves exactly the declared outputs, or nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from bright_member import BrightMember
from grand_challenge_tree import write_bright_tree
from heads import IntensityExtractor, make_adc, make_head
from PIL import Image
from scipy import ndimage
from threshold_bundle import make_threshold_bundle

from deepisles import Ensemble
from deepisles.container import run_container
from deepisles.errors import GeometryError, InputRefused, OutputError
from deepisles.grandchallenge.execute import run_case, write_outputs
from deepisles.grandchallenge.inputs import resolve_inputs
from deepisles.grandchallenge.sockets import OUTPUTS
from deepisles.options import SegmentOptions
from deepisles.reports.images import write_volume
from deepisles.reports.overview import OUTLINE_COLOUR
from deepisles.reports.report import Report

OPTIONS = SegmentOptions(registration="none")


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    return Ensemble.load(make_threshold_bundle(tmp_path_factory.mktemp("weights")), device="cpu")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    return folder, *write_bright_tree(folder)


@pytest.fixture(scope="module")
def output(ensemble, case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    run_case(resolve_inputs(case[0]), folder, ensemble, OPTIONS)
    return folder


def read(path):
    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def list_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_exactly_the_declared_outputs(output, case):
    name = case[2]["dwi"].name
    assert list_files(output) == [
        f"images/stroke-lesion-segmentation/{name}",
        "results.json",
        "stroke-lesion-count.json",
        "stroke-lesion-report.json",
        "stroke-lesion-segmentation-thumbnail.png",
        "stroke-lesion-volume.json",
    ]
    assert {path.name for path in output.iterdir() if path.is_dir()} == {"images"}


def test_mask_lies_on_the_dwi_and_numbers_are_its_own(output, case):
    dwi_path = case[2]["dwi"]
    mask = sitk.ReadImage(output / "images" / "stroke-lesion-segmentation" / dwi_path.name)
    dwi = sitk.ReadImage(dwi_path)
    assert (mask.GetPixelID(), mask.GetDimension()) == (sitk.sitkUInt8, 3)
    assert mask.GetSize() == dwi.GetSize()
    for part in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(mask, part)() == pytest.approx(getattr(dwi, part)(), abs=1e-9)
    voxels = sitk.GetArrayFromImage(mask)
    assert set(np.unique(voxels)) == {0, 1}
    volume, count = read(output / "stroke-lesion-volume.json"), read(output / "stroke-lesion-count.json")
    assert type(volume) is float
    assert volume == pytest.approx(voxels.sum() * np.prod(mask.GetSpacing()) / 1000, abs=1e-3)
    assert type(count) is int
    assert count == ndimage.label(voxels, np.ones((3, 3, 3)))[1]


def test_report_is_valid_and_agrees(output):
    report = Report.model_validate(read(output / "stroke-lesion-report.json"))
    assert report.lesion_volume_ml == read(output / "stroke-lesion-volume.json")
    assert report.lesion_count == read(output / "stroke-lesion-count.json")
    assert report.inputs.modalities == ("dwi", "adc", "flair")


def test_the_thumbnail_is_a_small_picture_of_the_lesion(output):
    with Image.open(output / "stroke-lesion-segmentation-thumbnail.png") as thumbnail:
        assert thumbnail.format == "PNG"
        picture = np.asarray(thumbnail.convert("RGB")).astype(int)
    outline = np.array([int(OUTLINE_COLOUR[i : i + 2], 16) for i in (1, 3, 5)])
    assert (np.abs(picture - outline).max(axis=-1) < 60).sum() > 50
    assert picture.shape[1] < 1200


def test_legacy_results_have_their_exact_shape(output, case):
    name = case[2]["dwi"].name
    assert read(output / "results.json") == [
        {
            "outputs": [{"type": "Image", "slug": "stroke-lesion-segmentation", "filename": name}],
            "inputs": [{"type": "Image", "slug": "dwi-brain-mri", "filename": name}],
        }
    ]


def test_mask_is_compressed_and_one_file(output, case):
    header = (output / "images" / "stroke-lesion-segmentation" / case[2]["dwi"].name).read_bytes()[:600]
    assert b"CompressedData = True" in header
    assert b"ElementDataFile = LOCAL" in header


def test_no_lesion_is_written_as_such(ensemble, case, tmp_path):
    result = ensemble.segment(**case[2], registration="none")
    empty = result.report.model_copy(update={"lesion_volume_ml": 0.0, "lesion_count": 0})
    without = type(result)(**{**vars(result), "report": empty, "mask": result.mask.with_array(result.mask.array * 0)})
    write_outputs(tmp_path / "made" / "output", without, "a.mha")
    folder = tmp_path / "made" / "output"
    assert (folder / "stroke-lesion-volume.json").read_text().strip() == "0.0"
    assert (folder / "stroke-lesion-count.json").read_text().strip() == "0"
    assert not sitk.GetArrayFromImage(sitk.ReadImage(folder / "images" / "stroke-lesion-segmentation" / "a.mha")).any()


def test_a_nifti_dwi_still_gives_a_metaimage_mask(ensemble, case, tmp_path):
    result = ensemble.segment(**case[2], registration="none")
    write_outputs(tmp_path, result, "33f8.nii.gz")
    assert (tmp_path / "images" / "stroke-lesion-segmentation" / "33f8.mha").is_file()
    (told,) = read(tmp_path / "results.json")
    assert (told["outputs"][0]["filename"], told["inputs"][0]["filename"]) == ("33f8.mha", "33f8.nii.gz")


@pytest.mark.parametrize("containers", ["exact", "fast"])
def test_a_cases_profile_replaces_the_containers(ensemble, tmp_path, containers):
    """The process loads the networks that the case's profile needs, whatever its own profile is."""
    write_bright_tree(tmp_path / "input")
    # it does not list the settings; without it the files that are there do
    (tmp_path / "input" / "inputs.json").unlink()
    (tmp_path / "input" / "deepisles_settings.json").write_text('{"profile": "balanced"}')
    weights = make_threshold_bundle(tmp_path / "weights")
    run_container(tmp_path / "input", tmp_path / "output", replace(OPTIONS, weights=weights, profile=containers))
    report = read(tmp_path / "output" / "stroke-lesion-report.json")
    assert report["software"]["profile"] == "balanced"
    assert [member["name"] for member in report["members"]] == ["seals", "nvauto", "swan"]


def test_two_modalities(ensemble, tmp_path):
    write_bright_tree(tmp_path / "input", ("dwi", "adc"))
    run_case(resolve_inputs(tmp_path / "input"), tmp_path / "output", ensemble, OPTIONS)
    report = read(tmp_path / "output" / "stroke-lesion-report.json")
    assert report["inputs"]["modalities"] == ["dwi", "adc"]
    assert report["degraded"]


def test_the_same_case_twice_overwrites_with_the_same(ensemble, case, output, tmp_path):
    names = [name for name in list_files(output) if "report" not in name]
    for _ in range(2):
        run_case(resolve_inputs(case[0]), tmp_path, ensemble, OPTIONS)
        assert [(tmp_path / name).read_bytes() for name in names] == [(output / name).read_bytes() for name in names]
    assert list_files(tmp_path) == list_files(output)


def test_an_output_folder_of_another_case_is_refused_at_once(ensemble, case, output, tmp_path):
    write_bright_tree(tmp_path)
    before = list_files(output)
    with pytest.raises(OutputError, match="holds the segmentation of another case: empty it first"):
        run_case(resolve_inputs(tmp_path), output, ensemble, OPTIONS)
    assert list_files(output) == before


def test_a_failed_case_leaves_nothing(ensemble, case, tmp_path):
    write_bright_tree(tmp_path / "input")
    (adc,) = (tmp_path / "input" / "images" / "adc-brain-mri").iterdir()
    adc.write_bytes(adc.read_bytes()[:-9])
    (tmp_path / "output").mkdir()
    with pytest.raises(InputRefused, match="The ADC image is cut short"):
        run_case(resolve_inputs(tmp_path / "input"), tmp_path / "output", ensemble, OPTIONS)
    assert list((tmp_path / "output").iterdir()) == []


def test_flair_on_its_own_grid_without_registration_leaves_nothing(ensemble, case, tmp_path):
    write_bright_tree(tmp_path / "input")
    (flair,) = (tmp_path / "input" / "images" / "flair-brain-mri").iterdir()
    image = sitk.ReadImage(flair)
    image.SetSpacing((3.0, 2.0, 3.0))
    sitk.WriteImage(image, flair, useCompression=True)
    with pytest.raises(GeometryError):
        run_case(resolve_inputs(tmp_path / "input"), tmp_path / "output", ensemble, OPTIONS)
    assert not (tmp_path / "output").exists()


def test_outputs_that_cannot_all_be_placed_are_taken_back(ensemble, case, tmp_path):
    result = ensemble.segment(**case[2], registration="none")
    # a folder in the way of the last file
    (tmp_path / "results.json" / "full").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot be put into"):
        write_outputs(tmp_path, result, case[2]["dwi"].name)
    assert list_files(tmp_path) == []
    assert not list(tmp_path.glob(".*"))


def test_output_that_is_no_folder(ensemble, case, tmp_path):
    (tmp_path / "output").write_text("")
    with pytest.raises(OutputError, match="cannot be written to: check its permissions"):
        run_case(resolve_inputs(case[0]), tmp_path / "output", ensemble, OPTIONS)


@pytest.mark.parametrize(
    ("settings", "option", "status"),
    [
        ('{"skull_strip": true}', "auto", "done"),
        ('{"skull_strip": true}', "off", "done"),
        ('{"skull_strip": false}', "auto", "not-needed"),
        ('{"skull_strip": false}', "on", "done"),
    ],
)
def test_the_settings_can_ask_for_brain_extraction(ensemble, tmp_path, settings, option, status):
    """What is declared is written all the same, and the brain mask is not declared."""
    extracting = Ensemble([BrightMember()], ensemble.bundle, ensemble.device, (), IntensityExtractor())
    images = {"dwi": make_head("dwi", stripped=True)}
    images["adc"] = make_adc(images["dwi"])
    for name, volume in images.items():
        write_volume(tmp_path / "input" / "images" / f"{name}-brain-mri" / "image.mha", volume.array, volume.grid)
    (tmp_path / "input" / "deepisles_settings.json").write_text(settings)
    options = replace(OPTIONS, brain_extraction=option)
    run_case(resolve_inputs(tmp_path / "input"), tmp_path / "output", extracting, options)
    assert len(list_files(tmp_path / "output")) == len(OUTPUTS)
    assert read(tmp_path / "output" / "stroke-lesion-report.json")["brain_extraction"]["status"] == status
