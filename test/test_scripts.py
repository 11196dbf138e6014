"""The scripts at the top level: what they say when asked, and when something is missing."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, env=env, timeout=60)


@pytest.mark.parametrize(
    "script",
    [
        "build.sh",
        "export.sh",
        "demo.sh",
        "test.sh",
        "tools/environment.sh",
        "tools/build_niivue.sh",
        "tools/measure_gpu",
        "test/fuzz/run",
    ],
)
def test_scripts_explain_themselves(script: str) -> None:
    answer = run(PROJECT / script, "--help")
    assert answer.returncode == 0
    assert answer.stdout.startswith("Usage:")
    assert answer.stderr == ""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["build.sh", "--bogus"], "I do not know the option '--bogus'."),
        (["build.sh", "--name"], "--name needs a value; see"),
        (["build.sh", "--target", "run"], "--target takes exec or invoke, not 'run'."),
        (["build.sh", "--wheelhouse", "test"], "test holds no wheels; fill it with: pip wheel"),
        (["build.sh", "--weights", "test"], "test holds no bundle.json; make a bundle with: deepisles weights fetch"),
        (
            ["export.sh", "--engine", "spoon"],
            "I do not know the container engine 'spoon'; use docker, podman or buildah.",
        ),
        (["tools/measure_gpu", "--warm"], "--warm needs a value; see"),
        (["tools/measure_gpu", "--bogus", "1"], "I do not know the option '--bogus'; see"),
        (["export.sh", "--only", "weights", "--weights", "test"], "test holds no bundle.json; name a weights bundle"),
    ],
)
def test_wrong_options_end_in_one_sentence(command: list[str], message: str, tmp_path: Path) -> None:
    output = ["--output", str(tmp_path)] if command[0] == "export.sh" else []
    answer = run(PROJECT / command[0], *command[1:], *output)
    assert answer.returncode == 1
    assert message in answer.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_environment_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    shutil.copy(PROJECT / "tools" / "environment.sh", tmp_path / "tools")
    answer = run(tmp_path / "tools" / "environment.sh", env={"PATH": "/usr/bin:/bin", "PYTHON": "no-such-python"})
    assert answer.returncode == 1
    (sentence,) = answer.stderr.splitlines()
    assert "no-such-python is missing; install Python 3.11 or newer" in sentence


def test_weights_are_packed_without_a_top_folder(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "folds").mkdir(parents=True)
    (bundle / "bundle.json").write_text("{}")
    (tmp_path / "elsewhere").write_text("weights")
    (bundle / "folds" / "linked").symlink_to(tmp_path / "elsewhere")
    answer = run(PROJECT / "export.sh", "--only", "weights", "--weights", bundle, "--output", tmp_path / "dist")
    assert answer.returncode == 0, answer.stderr
    assert [path.name for path in (tmp_path / "dist").iterdir()] == ["model.tar.gz"]
    with tarfile.open(tmp_path / "dist" / "model.tar.gz") as packed:
        assert all(member.isfile() or member.isdir() for member in packed)
        packed.extractall(tmp_path / "unpacked", filter="data")
    assert (tmp_path / "unpacked" / "bundle.json").read_text() == "{}"
    assert (tmp_path / "unpacked" / "folds" / "linked").read_text() == "weights"
