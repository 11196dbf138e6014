"""Fuzzing can find something: it starts from inputs that are accepted, and what breaks a promise fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.targets import TARGETS, Target

FOLDER = Path(__file__).resolve().parent


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted(tmp_path, name):
    for number, seed in enumerate(TARGETS[name].seeds):
        folder = tmp_path / str(number)
        folder.mkdir()
        TARGETS[name].check(folder, seed)


@pytest.mark.parametrize("name", TARGETS)
def test_noise_is_refused_without_another_error(name):
    for content in (b"", b"\0" * 600, b"PK\3\4" + b"\xff" * 50, b"[" * 5000):
        TARGETS[name].run(content)


def test_other_errors_than_refusals_are_failures():
    def check(_folder, content):
        raise KeyError(content)

    with pytest.raises(KeyError):
        Target(check, (b"",), []).run(b"x")


def test_a_file_in_a_wrong_place_is_a_failure(tmp_path):
    def check(folder, content):
        (folder / "witness").write_bytes(b"untouched")
        (folder / "escaped").write_bytes(content)
        TARGETS["zip"].check(folder, content)

    with pytest.raises(AssertionError):
        Target(check, (), []).run(TARGETS["zip"].seeds[0])


def test_the_run_says_which_engines_it_has(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(FOLDER.parents[1]), str(FOLDER.parent)))}
    command = [sys.executable, FOLDER / "run_all.py", "--seconds", "2", "--target", "metaimage", "--found", "found"]
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "hypothesis metaimage" in answer.stdout
    assert ("atheris    metaimage" in answer.stdout) != ("atheris is not installed" in answer.stdout)
    assert not (tmp_path / "found").exists()
