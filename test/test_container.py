"""process.py, run as the container runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import typer
from grand_challenge_tree import PATIENT, write_bright_tree
from image_files import write_case as write_small_case
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case

from deepisles.cli import app
from deepisles.container import main

PROCESS = Path(__file__).resolve().parents[1] / "process.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("weights"))


def run(*arguments):
    return subprocess.run([sys.executable, PROCESS, *arguments], capture_output=True, text=True, timeout=1800)


def list_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def assert_one_sentence(ran, exit_code, fragment):
    assert ran.returncode == exit_code, ran.stderr
    (sentence,) = ran.stderr.splitlines()
    assert fragment in sentence
    assert sentence[0].isupper() or sentence.startswith("--")
    assert sentence.endswith(".")
    assert len(sentence) < 1024


def test_grand_challenge_tree(tmp_path, weights):
    write_bright_tree(tmp_path / "stored")
    (tmp_path / "input").symlink_to(tmp_path / "stored")
    ran = run(
        "--input", tmp_path / "input", "--output", tmp_path / "output", "--weights", weights, "--device", "cpu",
        "--registration", "none",
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "lesion: " in ran.stdout
    assert PATIENT not in ran.stdout
    assert len(list_files(tmp_path / "output")) == 6
    assert json.loads((tmp_path / "output" / "stroke-lesion-count.json").read_text()) == 1


def test_plain_files_give_the_folder_of_segment(tmp_path, weights):
    write_case(tmp_path / "input", make_bright_case()[0])
    ran = run(
        "--input", tmp_path / "input", "--output", tmp_path / "output", "--weights", weights, "--device", "cpu",
        "--registration", "none", "--members", "seals,nvauto", "--save-members",
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert {"report.json", "lesion_mask.nii.gz", "members/seals_mask.nii.gz"} <= set(list_files(tmp_path / "output"))
    report = json.loads((tmp_path / "output" / "report.json").read_text())
    assert {member["name"] for member in report["members"] if member["status"] == "ran"} == {"seals", "nvauto"}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "fragment"),
    [
        (["--members", "unet"], 3, "--members takes some of"),
        (["--vote-weights", "seals=-1"], 3, "--vote-weights takes"),
        (["--device", "warp:9"], 6, "warp:9"),
        (["--weights", "/nowhere"], 5, "/nowhere"),
        (["--bogus"], 2, "--bogus"),
        (["--consensus", "loudest"], 2, "loudest"),
        (["--brain-extraction", "sometimes"], 2, "sometimes"),
    ],
)
def test_wrong_options_end_in_one_sentence(tmp_path, weights, arguments, exit_code, fragment):
    write_small_case(tmp_path / "input")
    ran = run("--input", tmp_path / "input", "--output", tmp_path / "output", "--weights", weights, *arguments)
    assert_one_sentence(ran, exit_code, fragment)
    assert not (tmp_path / "output").exists()


def test_bad_input_is_refused_before_weights_are_looked_for(tmp_path):
    (tmp_path / "input").mkdir()
    places = ("--input", tmp_path / "input", "--output", tmp_path / "output", "--weights", tmp_path / "nowhere")
    assert_one_sentence(run(*places), 3, f"{tmp_path}/input is empty")
    (tmp_path / "input" / "inputs.json").write_text("[]")
    assert_one_sentence(run(*places), 3, "found none")
    assert not (tmp_path / "output").exists()


def test_refused_images_leave_nothing(tmp_path, weights):
    paths = write_bright_tree(tmp_path / "input")[1]
    paths["dwi"].write_text("patient: secret")
    ran = run("--input", tmp_path / "input", "--output", tmp_path / "output", "--weights", weights)
    assert_one_sentence(ran, 3, "The DWI image is not a MetaImage")
    assert "Traceback" not in ran.stdout
    assert not (tmp_path / "output").exists()


def test_debug_shows_where_it_ended(tmp_path):
    ran = run("--input", tmp_path / "nowhere", "--debug")
    assert_one_sentence(ran, 3, "was not found")
    assert "Traceback" in ran.stdout


def test_a_stopped_case_leaves_no_process_and_no_output(tmp_path, weights):
    write_bright_tree(tmp_path / "input")
    arguments = ["--input", tmp_path / "input", "--output", tmp_path / "output", "--weights", weights]
    with subprocess.Popen(
        [sys.executable, PROCESS, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as ran:
        # the registration's process is started next
        while not ran.stdout.readline().startswith("prepare"):
            assert ran.poll() is None
        children = []
        while not children and ran.poll() is None:
            children = psutil.Process(ran.pid).children(recursive=True)
        ran.send_signal(signal.SIGTERM)
        _, complaint = ran.communicate(timeout=120)
    assert (ran.returncode, complaint) == (130, "The case was interrupted.\n")
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert not (tmp_path / "output").exists()


def test_defects_end_in_one_sentence_too(tmp_path, monkeypatch, capfd):
    def fail(*_arguments):
        raise KeyError("a defect with\na secret")

    monkeypatch.setattr("deepisles.container.run_container", fail)
    assert main(["--input", str(tmp_path)]) == 1
    assert capfd.readouterr().err == "Unexpected error (KeyError): run again with --debug and report what it shows.\n"


def test_flags_are_those_of_segment():
    ran = run("--help")
    assert ran.returncode == 0
    command = typer.main.get_command(app)
    segment = command.get_command(typer.Context(command), "segment")
    flags = {flag for option in segment.params for flag in (*option.opts, *option.secondary_opts)}
    shown = set(re.findall(r"--[a-z-]+", ran.stdout))
    assert flags - shown == {"--dwi", "--adc", "--flair"}
