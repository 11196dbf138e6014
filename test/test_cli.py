"""The command line: bad input is one sentence and its own exit code, and writes nothing."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles.cli import app


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("weights") / "threshold")


@pytest.fixture
def case(tmp_path):
    images, _ = make_bright_case()
    return write_case(tmp_path / "case", images)


def run(paths, output, bundle, *options):
    images = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    return CliRunner().invoke(
        app,
        ["segment", *images, "--output", str(output), "--weights", str(bundle), "--registration", "none", *options],
    )


def test_a_case_says_what_was_found_and_where_it_lies(case, bundle, tmp_path):
    done = run(case, tmp_path / "out", bundle)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert "lesion:" in done.stdout
    assert str(tmp_path / "out" / "lesion_mask.nii.gz") in done.stdout
    assert str(tmp_path / "out" / "report.html") in done.stdout


def missing(case):
    return {**case, "adc": case["adc"].with_name("nothing.nii.gz")}


def text_file(case):
    path = case["dwi"].with_name("text.mha")
    path.write_text("this is no image\n")
    return {**case, "dwi": path}


def truncated(case):
    path = case["dwi"].with_name("short.nii.gz")
    path.write_bytes(case["dwi"].read_bytes()[:900])
    return {**case, "dwi": path}


def not_gzip(case):
    path = case["adc"].with_name("plain.nii.gz")
    path.write_bytes(gzip.decompress(case["adc"].read_bytes())[:-100])
    return {**case, "adc": path}


def _rewritten(case, change, name="dwi"):
    image = change(sitk.ReadImage(case[name]))
    path = case[name].with_name("changed.nii.gz")
    sitk.WriteImage(image, path)
    return {**case, name: path}


def two_dimensional(case):
    return _rewritten(case, lambda image: image[:, :, 3])


def several_volumes(case):
    return _rewritten(case, lambda image: sitk.JoinSeries([image, image]))


def _with_one_voxel(value):
    def spoil(image):
        array = sitk.GetArrayFromImage(image)
        array[3, 3, 3] = value
        spoiled = sitk.GetImageFromArray(array)
        spoiled.CopyInformation(image)
        return spoiled

    return spoil


def not_a_number(case):
    return _rewritten(case, _with_one_voxel(np.nan))


def infinite(case):
    return _rewritten(case, _with_one_voxel(np.inf))


def all_zero(case):
    return _rewritten(case, lambda image: image * 0)


def too_large(case):
    """Ask for terabytes with a header of 348 bytes."""
    header = bytearray(gzip.decompress(case["dwi"].read_bytes()))
    header[42:48] = np.array([32000, 32000, 32000], "<i2").tobytes()
    path = case["dwi"].with_name("huge.nii")
    path.write_bytes(header)
    return {**case, "dwi": path}


def flair_elsewhere(case):
    def move(image):
        image.SetOrigin((700.0, 0.0, 0.0))
        return image

    return _rewritten(case, move, "flair")


@pytest.mark.parametrize(
    ("spoil", "exit_code"),
    [
        (missing, 3), (text_file, 3), (truncated, 3), (not_gzip, 3), (two_dimensional, 3), (several_volumes, 3),
        (not_a_number, 3), (infinite, 3), (all_zero, 3), (too_large, 3), (flair_elsewhere, 4),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_no_file(case, bundle, tmp_path, spoil, exit_code):
    done = run(spoil(case), tmp_path / "out", bundle)
    assert done.exit_code == exit_code, done.output
    sentence = done.stderr.strip()
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_damaged_weights_have_their_own_exit_code(case, bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "damaged")
    content = bytearray((copy / "swan.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "swan.safetensors").write_bytes(content)
    done = run(case, tmp_path / "out", copy)
    assert done.exit_code == 5
    assert "digest" in done.stderr
    assert CliRunner().invoke(app, ["weights", "verify", str(copy)]).exit_code == 5
    told = json.loads((copy / "bundle.json").read_text())
    del told["members"]
    (copy / "bundle.json").write_text(json.dumps(told))
    assert run(case, tmp_path / "out", copy).exit_code == 5
    assert run(case, tmp_path / "out", tmp_path).exit_code == 5
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("device", ["cuda:7", "toaster", "mps"])
def test_an_absent_device_is_never_replaced(case, bundle, tmp_path, device):
    done = run(case, tmp_path / "out", bundle, "--device", device)
    assert done.exit_code == 6
    assert "Traceback" not in done.output


def test_brain_extraction_is_a_choice_of_three(case, bundle, tmp_path):
    assert run(case, tmp_path / "out", bundle, "--brain-extraction", "sometimes").exit_code == 2
    done = run(case, tmp_path / "out", bundle, "--brain-extraction", "off")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "report.json").read_text())["brain_extraction"]["status"] == "off"


@pytest.mark.parametrize("options", [["--members", "seals,bert"], ["--vote-weights", "seals=-1"], ["--members", ""]])
def test_bad_choices_are_refused(case, bundle, tmp_path, options):
    assert run(case, tmp_path / "out", bundle, *options).exit_code == 3


def test_an_output_that_cannot_be_written_is_said(case, bundle, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = run(case, tmp_path / "file" / "out", bundle)
    assert done.exit_code == 8
    assert "Traceback" not in done.output


def test_a_folder_is_an_input_too(case, bundle, tmp_path):
    done = run({"input": case["dwi"].parent}, tmp_path / "out", bundle)
    assert done.exit_code == 0, done.output
    both = run({"input": case["dwi"].parent, **case}, tmp_path / "other", bundle)
    assert both.exit_code == 3
    assert run({"dwi": case["dwi"]}, tmp_path / "other", bundle).exit_code == 3


def test_weights_are_described_and_verified(bundle):
    told = CliRunner().invoke(app, ["weights", "info", str(bundle)])
    assert "SEALS: 1 networks" in told.stdout
    assert CliRunner().invoke(app, ["weights", "verify", str(bundle)]).exit_code == 0


def test_help_is_quick():
    """Help needs none of the heavy imports, which take seconds."""
    heavy = "import sys, deepisles.cli; sys.exit(any(name in sys.modules for name in ('torch', 'monai', 'SimpleITK')))"
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0
