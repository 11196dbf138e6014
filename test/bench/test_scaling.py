"""Time and memory by size and networks: the larger case is the same case, fewer networks are some of the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles.bench.larger_case import read_aligned, write_larger
from deepisles.bench.scaling import choose_networks, fit_line
from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_case
from deepisles.cli import app
from deepisles.errors import InputRefused
from deepisles.resources import resource_path
from deepisles.weights.bundle import Bundle
from deepisles.weights.fewer_networks import write_part


@pytest.fixture(scope="module")
def sample() -> CaseFiles:
    return CaseFiles(*(resource_path("sample", f"{name}.mha") for name in ("dwi", "adc", "flair")))


@pytest.mark.parametrize("times", [1, 2, 4])
def test_a_larger_case_begins_with_the_case_and_goes_on_in_its_mirror(sample, tmp_path, times):
    case = read_aligned(sample)
    larger = read_case(write_larger(case, times, tmp_path))
    z, y, x = case.dwi.array.shape
    for name in ("dwi", "adc", "flair"):
        before, after = getattr(case, name), getattr(larger, name)
        assert after.array.size == times * case.dwi.array.size
        np.testing.assert_array_equal(after.array[:z, :y, :x], before.array)
        np.testing.assert_allclose(after.grid.affine_lps, before.grid.affine_lps, atol=1e-4)
    if times > 1:
        np.testing.assert_array_equal(larger.dwi.array[z:, :y], case.dwi.array[::-1])


def test_other_sizes_are_refused(sample, tmp_path):
    with pytest.raises(InputRefused, match="times"):
        write_larger(read_aligned(sample), 3, tmp_path)


def test_networks_are_taken_away_by_equal_steps(tiny_bundle):
    counts = [
        {name: len(indices) for name, indices in chosen.items()}
        for chosen in choose_networks(Bundle.open(tiny_bundle), ("seals", "nvauto", "swan"))
    ]
    assert counts == [
        {"seals": 1, "nvauto": 5, "swan": 4},
        {"seals": 3, "nvauto": 10, "swan": 7},
        {"seals": 5, "nvauto": 15, "swan": 10},
    ]


def test_a_bundle_of_single_networks_cannot_be_made_smaller(tmp_path):
    bundle = Bundle.open(make_threshold_bundle(tmp_path))
    assert choose_networks(bundle, ("seals", "swan")) == [{"seals": [0], "swan": [0]}]


def test_part_of_a_bundle_is_a_bundle(tiny_bundle, tmp_path):
    whole = Bundle.open(tiny_bundle)
    part = Bundle.open(write_part(whole, {"swan": [0, 9]}, tmp_path / "part"))
    part.verify()
    assert part.member_names == ("swan",)
    entries = whole.manifest.members.swan.networks
    assert part.manifest.members.swan.networks == (entries[0], entries[9])


def test_a_line_through_points_on_a_line():
    line = fit_line([1, 2, 4], [3, 5, 9])
    assert (line.slope, line.offset, line.explained) == pytest.approx((2, 1, 1))
    assert fit_line([1, 2, 4], [1, 9, 1]).explained < 0.1
    assert fit_line([3, 3], [1, 2]) is None


def test_the_command_draws_and_writes(tmp_path):
    bundle = make_threshold_bundle(tmp_path / "bundle", members=("seals",))
    images, _ = make_bright_case()
    case = write_case(tmp_path, images)
    picture = tmp_path / "scaling.png"
    done = CliRunner().invoke(
        app, ["bench", "--dwi", str(case["dwi"]), "--adc", str(case["adc"]), "--weights", str(bundle),
              "--device", "cpu", "--scaling", str(picture)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = json.loads(Path(tmp_path / "scaling.json").read_text())
    voxels = [point["voxels"] for point in told["by_size"]]
    assert voxels == [voxels[0], 2 * voxels[0], 4 * voxels[0]]
    assert all(point["peak_memory_gb"] > 0.1 and point["seconds"] > 0 for point in told["by_size"])
    assert told["by_networks"] == told["by_size"][:1]
    assert told["lines"]["seconds by voxels"]["slope"] is not None
    windows = [point["windows"]["seals"] for point in told["by_size"]]
    assert 0 < windows[0] < windows[1] < windows[2]
    assert "milliseconds a window by size, seals" in done.stdout
