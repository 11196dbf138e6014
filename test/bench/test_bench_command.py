"""`deepisles bench`: stages, work, memory, warm runs; what its JSON says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles.bench.network_work import count_flop
from deepisles.cli import app
from deepisles.weights.bundle import Bundle

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("weights") / "threshold")


@pytest.fixture(scope="module")
def measured(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    original = folder / "timings.json"
    original.write_text(json.dumps({
        "seals": {"total_wall_s": 100}, "nvauto": {"total_wall_s": 100},
        "swan": {"cpu_s": {"inference_10_networks_18_windows": 100, "registration_elastix": 50}},
    }))  # fmt: skip
    case = write_case(folder / "case", make_bright_case()[0])
    images = [part for name, path in case.items() for part in (f"--{name}", str(path))]
    done = CliRunner().invoke(
        app, ["bench", *images, "--weights", str(bundle), "--registration", "rigid", "--device", "cpu",
              "--original", str(original), "--warm", "2", "--json", str(folder / "cost.json")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return done.stdout, json.loads((folder / "cost.json").read_text())


def test_stages_memory_and_ratios_are_told(measured):
    text, told = measured
    stages = told["cold"]["stages"]
    assert {"load", "read", "prepare", "seals", "nvauto", "swan", "consensus", "findings", "write"} <= set(stages)
    assert {"register", "wait for registration"} <= set(stages)
    assert told["cold"]["peak_memory_gb"] > 0.1
    assert told["cold"]["gpu_allocated_gb"] is None
    assert "100 /" in text
    assert "rigid" in text


@pytest.mark.parametrize("member", ["seals", "nvauto", "swan"])
def test_a_members_time_falls_apart_into_before_in_and_after_its_networks(measured, member):
    stage = measured[1]["cold"]["stages"][member]
    parts = [stage[f"{part}_seconds"] for part in ("pre", "network", "post")]
    assert all(part > 0 for part in parts)
    assert sum(parts) <= stage["wall_seconds"]
    assert stage["precision"] == "float32"


def test_work_is_windows_times_what_one_takes(measured, bundle):
    entries = dict(Bundle.open(bundle).manifest.members.items())
    for member, channels in {"seals": 2, "nvauto": 2, "swan": 3}.items():
        stage = measured[1]["cold"]["stages"][member]
        assert stage["windows"] >= stage["calls"] >= 1
        one = count_flop(entries[member].networks[0].architecture, (channels, 64, 64, 64))
        assert stage["tflop"] == pytest.approx(stage["windows"] * one / 1e12)
        assert stage["tflop_per_second"] == pytest.approx(stage["tflop"] / stage["network_seconds"])
        assert 0 < stage["share_of_peak"] < 1
    # 16 x 30 x 26 voxels of 3 x 2 x 2 mm fit into one window of 64; SEALS sees it and its mirror image
    assert [measured[1]["cold"]["stages"][member]["windows"] for member in ("seals", "nvauto", "swan")] == [2, 1, 1]


def test_warm_runs_keep_the_networks(measured):
    text, told = measured
    assert len(told["warm"]) == 2
    assert "load" in told["cold"]["stages"]
    assert all("load" not in run["stages"] for run in told["warm"])
    assert told["warm_median_seconds"] == pytest.approx(sum(run["total_seconds"] for run in told["warm"]) / 2)
    assert told["cold_seconds"] > told["cold"]["total_seconds"]
    for run in (told["cold"], *told["warm"]):
        in_turn = sum(stage["wall_seconds"] for name, stage in run["stages"].items() if name != "register")
        assert in_turn == pytest.approx(run["total_seconds"], rel=0.1)
        assert run["stages"]["register"]["cpu_seconds"] > 0
    assert "warm: median" in text


def test_machine_and_code_are_named(measured):
    host = measured[1]["host"]
    assert host["device"] == "cpu"
    assert len(host["cpu"]) > 3
    assert host["cpus"] >= host["threads"] >= 1
    assert re.match(r"\d+\.\d+", host["torch"])
    assert measured[1]["settings"]["size"] == [26, 30, 16]
    assert measured[1]["settings"]["weights"] == "threshold"


def test_nothing_tells_where_the_case_lies(measured, tmp_path_factory):
    assert str(tmp_path_factory.getbasetemp()) not in json.dumps(measured[1])


def test_every_key_is_documented(measured):
    documented = (PROJECT / "docs" / "performance.md").read_text(encoding="utf-8")
    stage = measured[1]["cold"]["stages"]["seals"]
    for level in (measured[1], measured[1]["host"], measured[1]["settings"], measured[1]["cold"], stage):
        assert [key for key in level if f"`{key}`" not in documented] == []


def test_half_a_case_is_refused(bundle, tmp_path):
    done = CliRunner().invoke(app, ["bench", "--dwi", str(tmp_path / "dwi.nii.gz"), "--weights", str(bundle)])
    assert done.exit_code == 3


@pytest.mark.slow
def test_without_images_the_sample_is_measured(bundle, tmp_path):
    done = CliRunner().invoke(
        app, ["bench", "--weights", str(bundle), "--registration", "rigid", "--device", "cpu",
              "--json", str(tmp_path / "cost.json")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "cost.json").read_text())["cold"]["stages"]["swan"]["windows"] > 0
