"""What `deepisles bench` compares: with the original's way, with other revisions, between profiles."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles.bench.against import Contest
from deepisles.bench.spread import Spread
from deepisles.cli import app
from deepisles.options import Profile

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory) -> list[str]:
    images, _ = make_bright_case()
    case = write_case(tmp_path_factory.mktemp("case"), images)
    bundle = make_threshold_bundle(tmp_path_factory.mktemp("bundle"), members=("seals", "nvauto"))
    return [
        "bench", *(part for name in ("dwi", "adc") for part in (f"--{name}", str(case[name]))),
        "--weights", str(bundle), "--device", "cpu", "--repeat", "1",
    ]  # fmt: skip


def run(arguments, tmp_path, *options):
    done = CliRunner().invoke(app, [*arguments, *options, "--json", str(tmp_path / "told.json")])
    assert done.exit_code == 0, done.output
    return done.stdout, json.loads((tmp_path / "told.json").read_text())


def git(*arguments: str) -> str:
    asked = subprocess.run(["git", "-C", PROJECT, *arguments], capture_output=True, text=True, check=False)
    if asked.returncode:
        pytest.skip("the project is no git repository here")
    return asked.stdout


def list_worktrees() -> set[str]:
    """List where they are; others may commit in theirs meanwhile."""
    return {line for line in git("worktree", "list", "--porcelain").splitlines() if line.startswith("worktree ")}


def test_beside_the_originals_way(arguments, tmp_path):
    text, told = run(arguments, tmp_path, "--original-way")
    (pair,) = told["pairs"]
    for row in ("seals, networks", "nvauto, networks", "all networks", "seals", "nvauto", "case, from a start"):
        assert told["ratios"][row]["median"] == pytest.approx(pair["original"][row] / pair["here"][row])
        assert row in text
    assert pair["original"]["case, from a start"] > pair["original"]["seals"] > pair["original"]["seals, networks"]


def test_a_profile_that_leaves_members_out_beside_the_originals_way(arguments, tmp_path):
    """The original runs them all; what they cost it counts in the sums."""
    _, told = run(arguments, tmp_path, "--original-way", "--profile", "fast")
    (pair,) = told["pairs"]
    assert "nvauto" not in told["ratios"]
    spent = sum(member["network_seconds"] for member in pair["original_members"].values())
    assert pair["original"]["all networks"] == pytest.approx(spent)
    assert spent > pair["original"]["seals, networks"]
    assert pair["here"]["all networks"] == pytest.approx(pair["here"]["seals, networks"])


def test_against_a_revision(arguments, tmp_path):
    revision = git("rev-parse", "HEAD").strip()
    before = list_worktrees()
    text, told = run(arguments, tmp_path, "--against", revision)
    assert {"seals", "nvauto", "case"} <= set(told["ratios"])
    assert told["ratios"]["case"]["low"] > 0
    assert revision[:14] in text
    assert list_worktrees() <= before


def test_against_a_profile(arguments, tmp_path):
    _, told = run(arguments, tmp_path, "--against", "exact")
    assert told["other"] == "exact"
    assert told["ratios"]["case"]["median"] > 0


@pytest.mark.parametrize("name", ["no-such-thing", "--exec=x"])
def test_what_is_neither_is_refused(arguments, name):
    done = CliRunner().invoke(app, [*arguments, f"--against={name}"])
    assert done.exit_code == 3
    assert "profile" in done.output


def test_profiles_are_compared_with_exact(arguments, tmp_path):
    text, told = run(arguments, tmp_path, "--profiles", "--profile", "fast")
    assert list(told["profiles"]) == list(get_args(Profile))
    assert told["profiles"]["exact"]["dice"] == 1
    assert told["profiles"]["exact"]["volume_change_ml"] == 0
    assert told["profiles"]["exact"]["volume_ml"] > 0
    assert all(profile in text for profile in get_args(Profile))


def test_one_comparison_at_a_time(arguments):
    assert CliRunner().invoke(app, [*arguments, "--profiles", "--original-way"]).exit_code == 3


def test_ratios_are_of_pairs():
    """A machine that is slow for a while slows both of a pair."""
    contest = Contest("x", [{"a": 1.0}, {"a": 10.0}, {"a": 2.0}], [{"a": 2.0}, {"a": 30.0}, {"a": 3.0}])
    assert contest.compare() == {"a": Spread(2.0, 1.5, 3.0)}
