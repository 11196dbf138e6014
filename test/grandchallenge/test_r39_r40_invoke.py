"""R39 and R40: the server, three cases in one process, the second of them bad."""

from __future__ import annotations

import pytest
from exec_runs import OPTIONS, list_files
from grand_challenge_tree import PATIENT, write_bright_tree
from invoke_server import InvokeServer

from deepisles.container import run_container

MAX_STOPPING_SECONDS = 5


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Make two good cases that differ, and between them one with a damaged ADC map."""
    folder = tmp_path_factory.mktemp("cases")
    for name in ("first", "bad", "third"):
        write_bright_tree(folder / name, ("dwi", "adc") if name == "third" else ("dwi", "adc", "flair"))
    (adc,) = (folder / "bad" / "images" / "adc-brain-mri").iterdir()
    adc.write_bytes(adc.read_bytes()[:-9])
    return folder


@pytest.fixture(scope="module")
def fresh(cases, ensemble, tmp_path_factory):
    """Run each good case by itself."""
    folder = tmp_path_factory.mktemp("fresh")
    for name in ("first", "third"):
        run_container(cases / name, folder / name, OPTIONS, load=lambda _options: ensemble)
    return folder


@pytest.fixture(scope="module")
def session(cases, weights, tmp_path_factory):
    """Serve the three cases as the platform does, then stop the server; keep what was seen."""
    folder = tmp_path_factory.mktemp("session")
    seen = {"answers": [], "files": []}
    with InvokeServer(folder, ["--weights", str(weights), "--device", "cpu", "--registration", "none"]) as server:
        seen["health"] = server.wait_until_ready()
        for name in ("first", "bad", "third"):
            seen["answers"].append(server.segment(cases / name))
            seen["files"].append({name: (server.output / name).read_bytes() for name in list_files(server.output)})
        seen["health at the end"] = server.ask("GET", "/health")[0]
        seen["exit code"] = server.stop(MAX_STOPPING_SECONDS)
        seen["stdout"], seen["stderr"] = server.stdout, server.stderr
    return seen


def read_files(folder):
    return {name: (folder / name).read_bytes() for name in list_files(folder)}


def test_r39_health_is_200_once_the_networks_are_loaded_and_503_before(session):
    assert session["health"][-1] == 200
    assert set(session["health"][:-1]) == {503}


def test_r39_a_case_is_answered_201_with_its_files_on_disk(session):
    assert session["answers"][0][0] == 201
    assert len(session["files"][0]) == 6


def test_r39_a_bad_case_is_answered_5xx_with_one_sentence_and_the_server_lives_on(session):
    status, sentence = session["answers"][1]
    assert status == 500
    assert sentence.startswith("The ADC image is cut short")
    assert session["files"][1] == {}
    assert session["health at the end"] == 200


def test_r39_the_log_is_on_stdout_and_names_nobody(session):
    assert PATIENT not in session["stdout"]
    # nothing of the good cases; the bad one's sentence, which the platform shows
    assert session["stderr"].splitlines() == [session["answers"][1][1]]


def test_r40_each_case_is_as_if_it_were_alone(session, fresh):
    assert session["answers"][2][0] == 201
    assert session["files"][0] == read_files(fresh / "first")
    assert session["files"][2] == read_files(fresh / "third")


def test_r40_sigterm_stops_it(session):
    assert session["exit code"] == 0
