"""Same weights, same masks: the command line on real cases, against what the original made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from deepisles.cli import app

pytestmark = pytest.mark.slow

PROBABILITY_TOLERANCE = 2e-3
MOST_VOXELS_APART = 3


def read(path: Path):
    return sitk.GetArrayFromImage(sitk.ReadImage(path))


def segment(cases: Path, golden: Path, case: str, output: Path, *options: str) -> Path:
    """Run the main job with the FLAIR that the original registered: its B-splines differ from machine to machine."""
    flair = golden / "expected" / "swan" / f"{case}_flair_registered.nii.gz"
    done = CliRunner().invoke(
        app,
        ["segment", "--dwi", str(cases / case / "dwi.nii.gz"), "--adc", str(cases / case / "adc.nii.gz"),
         "--flair", str(flair), "--registration", "none", "--device", "cpu", "--save-members",
         "--output", str(output), *options],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return output


def check_parity(ours: np.ndarray, ours_mask: np.ndarray, theirs: np.ndarray, theirs_mask: np.ndarray) -> None:
    difference = np.abs(ours - theirs.astype(np.float32)).max()
    apart = ours_mask != theirs_mask
    assert difference <= PROBABILITY_TOLERANCE
    assert apart.sum() <= MOST_VOXELS_APART
    assert (np.abs(theirs[apart].astype(np.float32) - 0.5) <= PROBABILITY_TOLERANCE).all()


@pytest.fixture(scope="module")
def result(cases, golden, tiny_bundle, tmp_path_factory):
    output = tmp_path_factory.mktemp("parity") / "isles22-0009"
    return segment(cases, golden, "isles22-0009", output, "--weights", str(tiny_bundle))


@pytest.mark.parametrize("member", ["seals", "nvauto", "swan"])
def test_each_member_gives_the_originals_mask(result, golden, member):
    expected = golden / "expected" / member
    if member == "swan":
        probability = np.load(expected / "isles22-0009_eval.npz")["prob"].transpose(2, 1, 0)
        mask = read(expected / "isles22-0009_eval_lesion_msk.nii.gz")
    else:
        folder = expected / "isles22-0009"
        if member == "seals":
            probability = np.load(folder / "ensemble_fg.npz")["fg"]
        else:
            probability = np.load(folder / "fg_prob.npz")["prob"].transpose(2, 1, 0)
        mask = read(folder / "lesion_msk.nii.gz")
    members = result / "members"
    check_parity(
        read(members / f"{member}_probability.nii.gz"), read(members / f"{member}_mask.nii.gz"), probability, mask
    )


def test_the_vote_gives_the_originals_mask(result, golden):
    ours = read(result / "lesion_mask.nii.gz")
    theirs = read(golden / "expected" / "ensemble" / "isles22-0009_lesion_msk.nii.gz")
    assert (ours != theirs).sum() <= MOST_VOXELS_APART
    report = json.loads((result / "report.json").read_text())
    assert report["lesion_volume_ml"] == pytest.approx(ours.sum() * 0.008, rel=1e-6)
    assert not report["degraded"]


def test_everything_but_the_networks_is_a_small_part(result):
    """Stages without networks; windows and blending inside members are in `deepisles bench`."""
    seconds = json.loads((result / "report.json").read_text())["timing_seconds"]
    members = sum(seconds[name] for name in ("seals", "nvauto", "swan"))
    assert sum(seconds.values()) - members < 0.1 * sum(seconds.values())


def test_swan_gives_the_originals_mask_at_another_resolution(cases, golden, tiny_bundle, tmp_path):
    output = segment(
        cases, golden, "thick-slices", tmp_path / "thick", "--weights", str(tiny_bundle), "--members", "swan"
    )
    expected = golden / "expected" / "swan"
    probability = np.load(expected / "thick-slices_eval.npz")["prob"].transpose(2, 1, 0)
    mask = read(expected / "thick-slices_eval_lesion_msk.nii.gz")
    check_parity(
        read(output / "members" / "swan_probability.nii.gz"), read(output / "lesion_mask.nii.gz"), probability, mask
    )
