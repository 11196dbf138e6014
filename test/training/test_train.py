"""Training for real, if only a few steps: the bundle segments, and a killed run goes on where it stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from deepisles import Ensemble
from deepisles.case.volume import Grid
from deepisles.errors import InputRefused
from deepisles.reports.images import write_volume
from deepisles.training.engine import train_network
from deepisles.training.layout import TrainingCase, find_training_cases
from deepisles.training.options import TrainOptions
from deepisles.training.pace import Pace
from deepisles.training.patches import DataSet
from deepisles.training.recipes import find_recipe
from deepisles.training.train import train_member
from deepisles.weights.bundle import Bundle

MEMBERS = ("seals", "nvauto", "swan")
PACE = Pace(steps=4, steps_per_epoch=2, seed=1, loaders=0)


@pytest.fixture(scope="module")
def bundle(data_set: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train every member a few steps, all into one bundle."""
    folder = tmp_path_factory.mktemp("trained") / "mine"
    for member in MEMBERS:
        train_member(TrainOptions(member, (data_set,), folder, pace=PACE, device="cpu", work=work))
    return folder


def test_the_bundle_holds_every_member(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    opened.verify()
    assert opened.member_names == MEMBERS
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"## {member.upper()}" in card for member in MEMBERS)
    assert "not a medical device" in card.lower()
    for member in MEMBERS:
        assert (bundle / "training" / f"{member}.png").stat().st_size > 5000
        record = json.loads((bundle / "training" / f"{member}.json").read_text(encoding="utf-8"))
        assert [entry["step"] for entry in next(iter(record["history"].values()))] == [2, 4]


def test_the_bundle_segments(bundle: Path, data_set: Path) -> None:
    case = find_training_cases(data_set)[0]
    result = Ensemble.load(bundle, device="cpu").segment(case.dwi, case.adc, case.flair, registration="none")
    assert set(result.predictions) == set(MEMBERS)
    for prediction in result.predictions.values():
        assert np.isfinite(prediction.probability).all()
        assert 0 < prediction.probability.max() <= 1


def test_kinds_that_are_trained_apart_come_together(bundle: Path, data_set: Path, work: Path, tmp_path: Path) -> None:
    folder = tmp_path / "apart"
    kinds = ("swin-factorizer_fold", "resunet_fold")
    for kind in kinds:
        options = TrainOptions("swan", (data_set,), folder, kinds=(kind,), pace=PACE, device="cpu", work=work)
        train_member(options)
    ours, theirs = (dict(Bundle.open(path).manifest.members.items())["swan"].networks for path in (folder, bundle))
    assert [entry.sha256 for entry in ours] == [entry.sha256 for entry in theirs], (
        "the same as in one run, in its order"
    )
    names = sorted(path.name for path in (folder / "training").iterdir())
    assert names == [f"swan-{kind}.{ending}" for kind in ("resunet", "swin-factorizer") for ending in ("json", "png")]


def test_training_learns(tmp_path: Path) -> None:
    """A network finds bright boxes on cases it has not seen, after a minute's worth of steps."""
    cases = [write_easy_case(tmp_path, number) for number in range(6)]
    recipe = replace(find_recipe("seals"), patch_size=(32, 32, 32), batch_size=4, learning_rate=3e-3)
    spec = replace(
        recipe.networks["fold"],
        features=(8, 16, 32),
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        encoder_kernel_sizes=((3, 3, 3),) * 3,
        decoder_kernel_sizes=((3, 3, 3),) * 2,
        encoder_convolutions=(2,) * 3,
        decoder_convolutions=(2,) * 2,
    )
    pace = Pace(steps=90, steps_per_epoch=45, loaders=0)
    _, history = train_network(
        spec, recipe, [DataSet(cases[:4])], cases[4:], tmp_path / "w", tmp_path / "c", pace, torch.device("cpu")
    )
    assert history.entries[-1]["dice"] > 0.6


def write_easy_case(folder: Path, number: int) -> TrainingCase:
    """Write a ball of noisy tissue on a background of 0, with a bright box somewhere in it."""
    rng = np.random.default_rng(number)
    grid = Grid((40, 40, 40), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    images = rng.normal(100, 10, (2, 40, 40, 40)).astype(np.float32)
    mask = np.zeros((40, 40, 40), dtype=np.uint8)
    z, y, x = rng.integers(10, 17, 3)
    mask[z : z + 14, y : y + 14, x : x + 14] = 1
    offsets = np.indices(mask.shape) - 19.5
    images *= (offsets**2).sum(axis=0) < 18**2
    images[0][mask > 0] *= 1.6
    images[1][mask > 0] *= 0.6
    case = TrainingCase(f"easy{number}", *(folder / f"{number}{end}.nii.gz" for end in ("dwi", "adc", "mask")))
    for path, array in ((case.dwi, images[0]), (case.adc, images[1]), (case.mask, mask)):
        write_volume(path, array, grid)
    return case


def test_a_killed_run_goes_on_where_it_stopped(data_set: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    pace = Pace(steps=6, steps_per_epoch=2, seed=3, loaders=0)
    train_member(TrainOptions("seals", (data_set,), whole, pace=pace, device="cpu", work=tmp_path / "work-whole"))
    killed, work = tmp_path / "killed", tmp_path / "work-killed"
    command = [sys.executable, "-c", "from deepisles.cli import main; main()", "train", "seals", str(data_set)]
    command += ["--output", str(killed), "--work", str(work), "--steps", "6", "--steps-per-epoch", "2"]
    command += ["--seed", "3", "--loaders", "0", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((work / "seals" / "fold0").glob("state_*.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not killed.exists()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    first, second = (
        json.loads((folder / "training" / "seals.json").read_text(encoding="utf-8"))["history"]["fold0"]
        for folder in (whole, killed)
    )
    assert [entry["step"] for entry in first] == [entry["step"] for entry in second] == [2, 4, 6]
    for one, other in zip(first, second, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-4)


def test_a_finished_run_is_not_repeated(data_set: Path, work: Path, tmp_path: Path) -> None:
    """Steps that make no whole epoch are left out, and a second call finds nothing to do."""
    pace = Pace(steps=5, steps_per_epoch=2, seed=1, loaders=0)
    options = TrainOptions("nvauto", (data_set,), tmp_path / "b", pace=pace, device="cpu", work=work)
    # the same folder as the bundle's of four steps, whose run is complete
    train_member(TrainOptions("nvauto", (data_set,), tmp_path / "a", pace=PACE, device="cpu", work=work))
    train_member(options)
    first, second = (Bundle.open(tmp_path / name).load_networks("nvauto")[0].state_dict() for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)
    # another run's state is not gone on with
    with pytest.raises(InputRefused, match="another seed"):
        train_member(replace(options, pace=replace(pace, seed=2)))


def test_training_starts_from_a_bundle(bundle: Path, data_set: Path, work: Path, tmp_path: Path) -> None:
    """With a learning rate of nothing, fine-tuning gives the weights back."""
    options = TrainOptions(
        "seals",
        (data_set,),
        tmp_path / "tuned",
        bundle,
        pace=PACE,
        learning_rate=0.0,
        device="cpu",
        work=tmp_path / "w",
    )
    train_member(options)
    (before,), (after,) = (Bundle.open(path).load_networks("seals") for path in (bundle, tmp_path / "tuned"))
    for name, tensor in before.state_dict().items():
        assert np.allclose(tensor.numpy(), after.state_dict()[name].numpy(), atol=1e-3)


def test_what_cannot_be_trained_is_refused(data_set: Path, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no member called"):
        train_member(TrainOptions("unet", (data_set,), tmp_path / "b"))
    with pytest.raises(InputRefused, match="no kind of network"):
        train_member(TrainOptions("seals", (data_set,), tmp_path / "b", kinds=("resunet_fold",), device="cpu"))
    with pytest.raises(InputRefused, match="no training data"):
        train_member(TrainOptions("seals", (tmp_path / "absent",), tmp_path / "b", device="cpu"))
    assert not (tmp_path / "b").exists()


def test_swan_without_any_flair_is_refused(data_set: Path, tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    rows = [f"{case.dwi},{case.adc},{case.mask}" for case in find_training_cases(data_set)]
    table.write_text("\n".join(["dwi,adc,mask", *rows]), encoding="utf-8")
    with pytest.raises(InputRefused, match="SWAN needs FLAIR, and no case has one"):
        train_member(TrainOptions("swan", (table,), tmp_path / "mine", pace=PACE, device="cpu", work=tmp_path / "work"))
