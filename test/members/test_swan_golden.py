"""SWAN's parts against what the original made of the same tiny networks and cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import nn

from deepisles.case.volume import Grid, Volume
from deepisles.members.nonzero_normalisation import normalise
from deepisles.members.settings import SwanSettings
from deepisles.members.swan import Swan, stack_channels
from deepisles.weights.bundle import Bundle

NETWORKS = [(kind, fold) for kind in ("resunet", "swin-factorizer") for fold in range(5)]


def read_volume(path: Path) -> Volume:
    image = sitk.ReadImage(str(path))
    grid = Grid(image.GetSize()[::-1], image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return Volume(sitk.GetArrayFromImage(image), grid)


def read_channels(name: str, cases: Path, golden: Path) -> NDArray[np.float32]:
    flair = golden / "expected" / "swan" / f"{name}_flair_registered.nii.gz"
    paths = [cases / name / "dwi.nii.gz", cases / name / "adc.nii.gz", flair]
    return stack_channels(*(read_volume(path) for path in paths))


@pytest.fixture(scope="module")
def networks(tiny_bundle: Path) -> list[nn.Module]:
    loaded = Bundle.open(tiny_bundle).load_networks("swan")
    return Swan(loaded, SwanSettings(), torch.device("cpu"), weights_digest="").networks


@pytest.mark.parametrize("name", ["isles22-0009", "thick-slices"])
def test_normalisation(name: str, cases: Path, golden: Path) -> None:
    expected = json.loads((golden / "expected" / "swan" / f"{name}_eval.json").read_text())["normalised_input"]
    channels = normalise(read_channels(name, cases, golden))
    assert list(channels.shape) == expected["shape"]
    assert channels.dtype == np.float32
    spatial = (1, 2, 3)
    np.testing.assert_allclose(channels.min(spatial), expected["min"], atol=5e-6)
    np.testing.assert_allclose(channels.max(spatial), expected["max"], atol=5e-6)
    np.testing.assert_allclose((channels == 0).mean(spatial), expected["zero_fraction"], rtol=1e-12)
    middle = channels[:, 56, 56, channels.shape[3] // 2]
    np.testing.assert_allclose(middle, expected["value_at_56_56_mid"], atol=5e-6)


def test_first_window(cases: Path, golden: Path) -> None:
    fixture = np.load(golden / "expected" / "swan" / "window_fixture_eval.npz")
    x, y, z = fixture["window_start_xyz"]
    channels = normalise(read_channels("isles22-0009", cases, golden))
    window = channels[:, x : x + 64, y : y + 64, z : z + 64]
    np.testing.assert_allclose(window, fixture["window_input"], atol=5e-6)


@pytest.mark.parametrize("index", range(len(NETWORKS)), ids=[f"{kind}-fold{fold}" for kind, fold in NETWORKS])
def test_networks_answer_as_the_originals(index: int, networks: list[nn.Module], golden: Path) -> None:
    fixture = np.load(golden / "expected" / "swan" / "window_fixture_eval.npz")
    label = "{}_fold{}".format(*NETWORKS[index])
    with torch.inference_mode():
        heads = [head.numpy()[0, 0] for head in networks[index].all_heads(torch.tensor(fixture["window_input"])[None])]
    logit = heads[0]
    statistics = [logit.mean(), logit.std(), logit.min(), logit.max(), (logit >= 0).sum()]
    np.testing.assert_allclose(statistics, fixture[f"{label}_stats"], rtol=1e-4, atol=1e-5)
    stored = [name for name in fixture.files if name.startswith(f"{label}_head")]
    assert len(stored) == (3 if NETWORKS[index][1] in (0, 3) else 0)
    for name in stored:
        np.testing.assert_allclose(heads[int(name[-1])], fixture[name], atol=1e-4)
