"""DICOM output through every front end: what is written, what is refused before anything runs, and what stays in."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from bright_member import BrightMember
from dicom_files import Diffusion, SeriesTags, write_classic, write_mosaic
from grand_challenge_tree import write_bright_tree
from pydicom import dcmread
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles import Ensemble
from deepisles.cli import app
from deepisles.errors import InputRefused
from deepisles.members.effort import FULL

PROCESS = Path(__file__).resolve().parents[1] / "process.py"
DWI = SeriesTags(3, "siemens", ("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"), "trace")
ADC = SeriesTags(4, "siemens", ("DERIVED", "PRIMARY", "DIFFUSION", "ADC"), "adc")
TRACE = Diffusion(1000, is_trace=True)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("weights") / "threshold")


@pytest.fixture(scope="module")
def images():
    """Make DWI and ADC of whole numbers, which DICOM keeps as they are."""
    scaled = {name: volume.with_array(np.round(volume.array * 10)) for name, volume in make_bright_case()[0].items()}
    return {
        name: scaled[name].with_array(np.maximum(scaled[name].array, 0).astype(np.int16)) for name in ("dwi", "adc")
    }


def write_study(folder, images):
    write_classic(folder / "dwi", images["dwi"], DWI, TRACE)
    write_classic(folder / "adc", images["adc"], ADC)
    return folder


def change(folder, **values):
    """Change the tags of every file of a folder; None takes a tag away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in folder.iterdir():
            dataset = dcmread(path)
            for keyword, value in values.items():
                if value is None:
                    delattr(dataset, keyword)
                else:
                    setattr(dataset, keyword, value)
            dataset.save_as(path)


class Untouched(BrightMember):
    """A member that must not be reached."""

    def segment(self, images, report_progress, effort=FULL):
        """Fail."""
        pytest.fail("the networks ran")


@pytest.fixture
def refuse(bundle):
    """Ask for a segmentation, which must be refused before the networks run."""
    loaded = Ensemble.load(bundle, "cpu", ["seals"])

    def ask(fragment, output="source", **source):
        ensemble = Ensemble([Untouched()], loaded.bundle, loaded.device, ())
        with pytest.raises(InputRefused, match=fragment) as refused:
            ensemble.segment(**source, brain_extraction="off", dicom_output=output)
        return str(refused.value)

    return ask


def run(bundle, *arguments):
    options = ["--weights", str(bundle), "--members", "seals", "--brain-extraction", "off"]
    return CliRunner().invoke(app, ["segment", *map(str, arguments), *options])


def contain(bundle, *arguments):
    return subprocess.run(
        [sys.executable, PROCESS, *arguments, "--weights", bundle, "--device", "cpu", "--members", "seals",
         "--brain-extraction", "off"],
        capture_output=True, text=True,
    )  # fmt: skip


def test_the_command_line_writes_it(bundle, images, tmp_path):
    study = write_study(tmp_path / "study", images)
    done = run(
        bundle, "--input", study, "--output", tmp_path / "out", "--dicom-output", "source", "--dicom-probability"
    )
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "out" / "dicom").iterdir()}
    assert names == {"segmentation.dcm", "measurements.dcm", "probability.dcm"}
    # without the option nothing is written, and what an earlier run wrote does not stay
    again = run(bundle, "--input", study, "--output", tmp_path / "out")
    assert again.exit_code == 0, again.output
    assert not list((tmp_path / "out").rglob("*.dcm"))
    assert json.loads((tmp_path / "out" / "report.json").read_text())["dicom_output"] is None


def test_image_files_are_refused_unless_a_series_is_to_be_derived(bundle, images, tmp_path, refuse):
    paths = write_case(tmp_path / "files", images)
    sentence = refuse("did not come as DICOM", **paths)
    assert "--dicom-output derived" in sentence
    files = ["--dwi", paths["dwi"], "--adc", paths["adc"], "--output", tmp_path / "out"]
    refused = run(bundle, *files, "--dicom-output", "source")
    assert (refused.exit_code, refused.stderr.strip()) == (3, f"deepisles: {sentence}")
    assert not (tmp_path / "out").exists()
    assert run(bundle, *files, "--dicom-probability").exit_code == 3
    done = run(bundle, *files, "--dicom-output", "derived")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dicom_output"]["series"] == "derived"
    assert all((tmp_path / "out" / name).is_file() for name in report["dicom_output"]["files"])


def test_an_image_file_beside_a_dicom_adc_is_refused(images, tmp_path, refuse):
    paths, study = write_case(tmp_path / "files", images), write_study(tmp_path / "study", images)
    refuse("did not come as DICOM", dwi=paths["dwi"], adc=study / "adc")


def test_dicom_that_nothing_can_refer_to_is_refused(images, tmp_path, refuse):
    write_mosaic(tmp_path / "mosaic" / "dwi", images["dwi"], DWI, TRACE)
    write_classic(tmp_path / "mosaic" / "adc", images["adc"], ADC)
    refuse("Siemens mosaic", study=tmp_path / "mosaic")
    frameless = write_study(tmp_path / "frameless", images)
    change(frameless / "dwi", FrameOfReferenceUID=None)
    refuse("Frame of Reference UID", study=frameless)
    repeated = write_study(tmp_path / "repeated", images)
    change(repeated / "dwi", SOPInstanceUID=DWI.uid)
    refuse("the same UID", study=repeated)


def test_tags_that_cannot_be_carried_over_are_refused_and_not_quoted(images, tmp_path, refuse):
    study = write_study(tmp_path, images)
    change(study / "dwi", SpecificCharacterSet="JANE DOE")
    assert "JANE" not in refuse("break the standard's rules", study=study)


def test_what_anonymisers_leave_is_enough(bundle, images, tmp_path):
    study = write_study(tmp_path / "study", images)
    change(study / "dwi", PatientName=None, PatientBirthDate=None, StudyID=None, StudyDate="yesterday", PatientSex="?")
    done = run(bundle, "--input", study, "--output", tmp_path / "out", "--dicom-output", "source")
    assert done.exit_code == 0, done.output
    segmentation = dcmread(tmp_path / "out" / "dicom" / "segmentation.dcm")
    assert (segmentation.PatientID, str(segmentation.PatientName), segmentation.StudyDate) == ("4711", "", "")


def test_the_container_keeps_the_patient_to_the_dicom(bundle, images, tmp_path):
    study = write_study(tmp_path / "input", images)
    # a name of which highdicom warns, quoting it
    change(study / "dwi", PatientName="Jane Doe")
    ran = contain(bundle, "--input", study, "--output", tmp_path / "out", "--dicom-output", "source", "--debug")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Jane" not in ran.stdout
    assert "4711" not in ran.stdout
    assert str(dcmread(tmp_path / "out" / "dicom" / "measurements.dcm").PatientName) == "Jane Doe"
    for path in (tmp_path / "out").glob("*"):
        assert path.is_dir() or (b"Jane" not in path.read_bytes() and "jane" not in path.name.lower())


def test_a_grand_challenge_case_has_none(bundle, tmp_path):
    write_bright_tree(tmp_path / "input")
    ran = contain(bundle, "--input", tmp_path / "input", "--output", tmp_path / "out", "--dicom-output", "derived")
    assert ran.returncode == 3
    assert ran.stderr == "A Grand Challenge case has no DICOM output: leave out --dicom-output.\n"
