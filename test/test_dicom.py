"""DICOM through every front end: the same mask as from image files, and nothing of the patient's in what comes out."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from bright_member import BrightMember
from dicom_files import Diffusion, SeriesTags, write_classic, write_dicomdir, write_enhanced, write_screenshot
from pydicom import dcmread
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles import Ensemble
from deepisles.case.reading import read_volume
from deepisles.case.source import SeriesChoice
from deepisles.cli import app

PROJECT = Path(__file__).resolve().parents[1]
PROCESS = PROJECT / "process.py"
STARTER = PROJECT / "models" / "starter"
MODALITIES = ("dwi", "adc", "flair")
TAGS = {
    "dwi": SeriesTags(3, "siemens", ("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"), "trace"),
    "adc": SeriesTags(4, "siemens", ("DERIVED", "PRIMARY", "DIFFUSION", "ADC"), "adc"),
    "flair": SeriesTags(5, "siemens", description="tirm", inversion_ms=2500),
}
IDENTITY = ("doe", "jane", "4711", "19501231")
"""Name, ID and birth date in the generated files' tags."""


def write_study(folder, volumes, *, is_enhanced=False):
    """Write each image's series into a folder of its name, or as one multi-frame file that is called by its number."""
    for name, volume in volumes.items():
        diffusion = Diffusion(1000, is_trace=True) if name == "dwi" else None
        if is_enhanced:
            write_enhanced(folder / f"{TAGS[name].number}", [(volume, diffusion)], TAGS[name])
        else:
            write_classic(folder / name, volume, TAGS[name], diffusion)
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("weights") / "threshold")


@pytest.fixture(scope="module")
def images():
    """Make a case of whole numbers, which DICOM keeps as they are."""
    scaled = {name: volume.with_array(np.round(volume.array * 10)) for name, volume in make_bright_case()[0].items()}
    return {name: volume.with_array(np.maximum(volume.array, 0).astype(np.int16)) for name, volume in scaled.items()}


@pytest.fixture(scope="module")
def expected(bundle, images, tmp_path_factory):
    """Segment the case's image files."""
    paths = write_case(tmp_path_factory.mktemp("files"), images)
    return Ensemble.load(bundle, device="cpu").segment(**paths, registration="none")


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_the_library_takes_dicom_by_the_image_and_by_the_study(bundle, images, expected, tmp_path):
    folder = write_study(tmp_path / "study", images)
    ensemble = Ensemble.load(bundle, device="cpu")
    by_image = ensemble.segment(*(folder / name for name in MODALITIES), registration="none")
    by_study = ensemble.segment(study=folder, registration="none")
    for result in (by_image, by_study):
        assert expected.mask.array.any()
        # dcm2niix stores rows the other way round than this case's files; the place in the patient is the same
        assert result.volume_ml == pytest.approx(expected.volume_ml, rel=0.01)
        assert result.lesions[0].centroid_mm == pytest.approx(expected.lesions[0].centroid_mm, abs=0.2)
        assert not result.report.degraded
    told = by_study.report.inputs.dicom
    assert {image.image: image.series_number for image in told.images} == {"dwi": 3, "adc": 4, "flair": 5}
    assert told.images[0].b_value_s_mm2 == 1000
    assert expected.report.inputs.dicom is None


def test_the_library_takes_named_series(bundle, images, tmp_path):
    folder = write_study(tmp_path, images)
    ensemble = Ensemble.load(bundle, device="cpu", members=["seals"])
    result = ensemble.segment(study=folder, series=SeriesChoice(dwi="3", flair="none"))
    assert [image.chosen_by for image in result.report.inputs.dicom.images] == ["user", "rule"]


def run(source, output, bundle, *options):
    return CliRunner().invoke(
        app, ["segment", *map(str, source), "--output", str(output), "--weights", str(bundle), "--registration", "none",
              "--members", "seals", *options],
    )  # fmt: skip


@pytest.mark.parametrize("zipped", [False, True])
def test_the_command_line_takes_dicom(bundle, images, expected, tmp_path, zipped):
    study = write_study(tmp_path / "study", images)
    places = {name: study / name for name in MODALITIES}
    if zipped:
        places = {
            name: shutil.make_archive(str(tmp_path / "zips" / name), "zip", path) for name, path in places.items()
        }
        study = shutil.make_archive(str(tmp_path / "whole"), "zip", study)
    by_image = [part for name, place in places.items() for part in (f"--{name}", place)]
    for number, source in enumerate((by_image, ["--input", study])):
        output = tmp_path / f"out{number}"
        done = run(source, output, bundle)
        assert done.exit_code == 0, done.output
        report = json.loads((output / "report.json").read_text())
        assert report["lesion_volume_ml"] == pytest.approx(expected.volume_ml, rel=0.02)
        assert "dcm2niix" in report["inputs"]["dicom"]["converter"]
        page = (output / "report.html").read_text(encoding="utf-8")
        assert "DWI from series 3 (Image Type says trace" in page


def test_the_command_line_asks_which_series_and_takes_the_answer(bundle, images, tmp_path):
    study = write_study(tmp_path / "study", images, is_enhanced=True)
    again = SeriesTags(13, "siemens", TAGS["dwi"].image_type, "trace")
    write_classic(study / "again", images["dwi"], again, Diffusion(1000, is_trace=True))
    asked = run(["--input", study], tmp_path / "out", bundle)
    assert asked.exit_code == 3
    assert "series 3 (trace at b 1000, 16 slices of 26 x 30); series 13" in asked.stderr
    assert "\n" not in asked.stderr.strip()
    assert not (tmp_path / "out").exists()
    for option, series in (("--dwi-series", "13"), ("--dwi-series", again.uid)):
        done = run(["--input", study], tmp_path / "out", bundle, option, series)
        assert done.exit_code == 0, done.output
        told = json.loads((tmp_path / "out" / "report.json").read_text())["inputs"]["dicom"]["images"][0]
        assert (told["series_number"], told["chosen_by"]) == (13, "user")


def test_an_adc_that_is_computed_is_said_on_the_command_line(bundle, images, tmp_path):
    study = write_study(tmp_path / "study", {"dwi": images["dwi"]})
    tags = SeriesTags(3, "siemens", TAGS["dwi"].image_type, "trace", uid=TAGS["dwi"].uid)
    b0 = images["dwi"].with_array((images["dwi"].array * 2 + 50).astype(np.uint16))
    write_classic(study, b0, tags, Diffusion(0), first=100)
    done = run(["--dwi", study], tmp_path / "out", bundle)
    assert done.exit_code == 0, done.output
    assert "note: The DICOM holds no ADC map: it was computed from b 0 and b 1000" in done.stdout
    told = json.loads((tmp_path / "out" / "report.json").read_text())["inputs"]
    assert told["adc_unit"] == "1e-6 mm2/s"


def test_the_container_tells_nothing_of_the_patient(bundle, images, tmp_path):
    """Neither its log, with --debug, nor any file or name that it leaves."""
    study = write_study(tmp_path / "input", images, is_enhanced=True)
    write_screenshot(study / "DOE_JANE" / "Doe^Jane", SeriesTags(99))
    write_dicomdir(study / "DICOMDIR")
    (study / "Jane.txt").write_text("Jane Doe")
    (study / "Jane Doe").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # values of which pydicom warns, quoting them
        dataset = dcmread(study / "3")
        dataset.StudyDate, dataset.SpecificCharacterSet = "JaneDoe", "JANE"
        dataset.save_as(study / "Jane Doe's DWI")
        (study / "3").unlink()
    ran = subprocess.run(
        [sys.executable, PROCESS, "--input", study, "--output", tmp_path / "out", "--weights", bundle, "--device",
         "cpu", "--members", "seals", "--debug"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {"report.json", "lesion_mask.nii.gz"} <= {path.name for path in files}
    written = b"".join(gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes() for p in files)
    said = (ran.stdout + " ".join(str(path.relative_to(tmp_path)) for path in files)).lower()
    for word in IDENTITY:
        assert word not in said.replace(str(tmp_path).lower(), "")
    text = (tmp_path / "out" / "report.json").read_text() + (tmp_path / "out" / "report.html").read_text()
    assert "doe" not in text.split("base64")[0].lower()
    assert b"Jane" not in written
    assert b"JANE" not in written
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["inputs"]["dicom"]["unreadable_files"] == 1
    assert {image["image"] for image in report["inputs"]["dicom"]["images"]} == {"dwi", "adc"}


def test_the_container_takes_a_study_and_named_series(bundle, images, tmp_path):
    study = write_study(tmp_path / "input", images, is_enhanced=True)
    ran = subprocess.run(
        [sys.executable, PROCESS, "--input", study, "--output", tmp_path / "out", "--weights", bundle, "--device",
         "cpu", "--members", "seals", "--adc-series", "4"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    refused = subprocess.run(
        [sys.executable, PROCESS, "--input", study, "--output", tmp_path / "other", "--weights", bundle, "--device",
         "cpu", "--adc-series", "44"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert refused.returncode == 3
    assert refused.stderr == "There is no series 44 for the ADC in the DICOM: it holds the series 3, 4, 5.\n"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("case", ["isles22-0009", "soop-sub3", "thick-slices"])
def test_a_threshold_gives_the_same_mask_for_the_dicom_of_every_real_case(cases, bundle, tmp_path, case):
    paths = {name: cases / case / f"{name}.nii.gz" for name in ("dwi", "adc")}
    study = write_study(tmp_path, {name: read_volume(path, name) for name, path in paths.items()})
    loaded = Ensemble.load(bundle, device="cpu", members=["seals"])
    ensemble = Ensemble([BrightMember()], loaded.bundle, loaded.device, ())
    from_files = ensemble.segment(**paths, brain_extraction="off")
    from_dicom = ensemble.segment(study=study, brain_extraction="off")
    assert from_dicom.mask.grid.matches(from_files.mask.grid, 1e-3)
    assert from_files.mask.array.any()
    assert dice(from_dicom.mask.array > 0, from_files.mask.array > 0) >= 0.999
    assert from_dicom.report.inputs.adc_unit == from_files.report.inputs.adc_unit


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isles22-0009", "soop-sub3", "thick-slices"])
def test_networks_give_the_same_mask_for_dicom(cases, tmp_path, name):
    paths = {role: cases / name / f"{role}.nii.gz" for role in ("dwi", "adc")}
    study = write_study(tmp_path, {role: read_volume(path, role) for role, path in paths.items()})
    ensemble = Ensemble.load(STARTER, device="cpu", members=["seals", "nvauto"])
    from_files, from_dicom = ensemble.segment(**paths), ensemble.segment(study=study)
    assert from_dicom.mask.grid.matches(from_files.mask.grid, 1e-3)
    for member, theirs in from_files.predictions.items():
        assert theirs.mask.any()
        assert dice(from_dicom.predictions[member].mask > 0, theirs.mask > 0) >= 0.99
