"""Speeds are measured beside a calibration, kept, and compared: a slow-down of a fifth is warned of, less is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case

from deepisles.bench.calibration import Calibration
from deepisles.bench.history import judge, read_history, write_entry
from deepisles.bench.request import BenchRequest
from deepisles.bench.speed import measure_speed
from deepisles.case.files import CaseFiles
from deepisles.errors import InputRefused
from deepisles.options import SegmentOptions

TOOL = Path(__file__).resolve().parents[2] / "tools" / "check_speed.py"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    images, _ = make_bright_case()
    return write_case(tmp_path_factory.mktemp("case"), images, ".mha")


@pytest.fixture(scope="module")
def entry(bundle, case):
    options = SegmentOptions(weights=bundle, device="cpu")
    return measure_speed(BenchRequest(CaseFiles(**case), options, 1), 2)


def faster(entry, share, date="2020-01-01T00:00:00+00:00", **changes):
    """Make up an earlier entry whose members took less, by a share."""
    return entry.model_copy(
        update={"date": date, "ratio": entry.ratio * (1 - share), "revision": "0123456789abcdef", **changes}
    )


def test_the_calibration_takes_about_the_same_again():
    calibration = Calibration(torch.device("cpu"))
    seconds = sorted(calibration.measure() for _ in range(3))
    assert seconds[0] > 0.05
    assert seconds[1] < 3 * seconds[0]


def test_an_entry_says_what_was_measured_and_where(entry):
    assert entry.device.startswith("cpu ")
    assert entry.networks == 3
    assert len(entry.timed) == 2
    assert set(entry.timed[0].members) == {"seals", "nvauto", "swan"}
    assert 0 < sum(entry.timed[0].members.values()) < entry.timed[0].case_seconds
    assert min(each.ratio for each in entry.timed) <= entry.ratio <= max(each.ratio for each in entry.timed)


def test_it_is_read_as_it_was_written(entry, tmp_path):
    path = write_entry(entry, tmp_path / "history")
    assert path.name.endswith(f"{entry.revision[:7]}-{entry.device.lower().replace(' ', '-')}.json")
    assert read_history(path.parent) == [entry]
    assert read_history(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.30, "warning: 43 % slower than 0123456"),
        (0.10, "11 % slower than 0123456"),
        (-0.30, "23 % faster than 0123456"),
    ],
)
def test_only_a_large_slow_down_is_warned_of(entry, share, told):
    assert judge(entry, [faster(entry, share)]).describe() == told


def test_the_newest_comparable_entry_counts(entry):
    older = faster(entry, 0.5, date="2020-01-01T00:00:00+00:00")
    newer = faster(entry, 0.05, date="2021-01-01T00:00:00+00:00")
    elsewhere = faster(entry, 0.5, date="2022-01-01T00:00:00+00:00", device="NVIDIA H100")
    others = faster(entry, 0.5, date="2022-01-01T00:00:00+00:00", bundle="f" * 64)
    assert judge(entry, [older, newer, elsewhere, others]).earlier == newer
    alone = judge(entry, [elsewhere, others])
    assert alone.slowdown is None
    assert "nothing" in alone.describe()


def test_what_is_no_entry_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputRefused, match=r"x\.json"):
        read_history(tmp_path)


def run_tool(case, bundle, history, *options):
    folder = case["dwi"].parent
    return subprocess.run(
        [sys.executable, TOOL, "--case", folder, "--weights", bundle, "--history", history, "--device", "cpu",
         "--pairs", "1", *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_ci_check_warns_and_does_not_fail(case, bundle, tmp_path):
    recorded = run_tool(case, bundle, tmp_path, "--record")
    assert recorded.returncode == 0, recorded.stderr
    (path,) = tmp_path.iterdir()
    told = json.loads(path.read_text())
    told["ratio"] /= 10
    path.write_text(json.dumps(told))
    again = run_tool(case, bundle, tmp_path)
    assert again.returncode == 0
    assert "warning: " in again.stdout
    assert f"slower than {told['revision'][:7]}" in again.stdout
    assert list(tmp_path.iterdir()) == [path]


def test_the_ci_check_fails_where_it_cannot_measure(case, tmp_path):
    done = run_tool(case, tmp_path / "no-weights", tmp_path)
    assert done.returncode == 5
    assert "check_speed: " in done.stderr.splitlines()[-1]
