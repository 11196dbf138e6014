"""The published scale: networks of the published sizes, and how many of them are trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from deepisles.errors import InputRefused
from deepisles.members.networks.specs import SegResNetDSSpec
from deepisles.training import train as training
from deepisles.training.options import Scale, TrainOptions
from deepisles.training.pace import Pace
from deepisles.training.recipes import Length, Recipe, find_length, find_recipe
from deepisles.weights.build import build_network
from deepisles.weights.bundle import Bundle
from deepisles.weights.manifest import NvautoEntry, SwanEntry

SIZES = {
    ("nvauto", "model"): 87_165_064,
    ("swan", "resunet_fold"): 28_877_667,
    ("swan", "swin-factorizer_fold"): 5_624_547,
}
"""Learnt numbers (shared/reference/nvauto.md, section 12, and swan.md, section 10)."""


@pytest.mark.parametrize(("member", "kind"), SIZES)
def test_published_networks_have_the_published_sizes(member: str, kind: str) -> None:
    with torch.device("meta"):
        network = build_network(find_recipe(member, "published").networks[kind])
    assert sum(each.numel() for each in network.parameters()) == SIZES[member, kind]


@pytest.mark.parametrize(("member", "entry", "networks"), [("nvauto", NvautoEntry, 15), ("swan", SwanEntry, 10)])
def test_published_members_have_the_published_settings(
    member: str, entry: type[NvautoEntry | SwanEntry], networks: int
) -> None:
    recipe = find_recipe(member, "published")
    settings = entry.model_fields["settings"].annotation
    assert settings is not None
    assert recipe.settings == settings()  # the defaults are the original's
    assert recipe.spacing_mm == recipe.settings.spacing_mm[0]
    assert recipe.patch_size[::-1] == recipe.settings.window
    assert len(recipe.networks) * recipe.repeats * find_length(member, "published").folds == networks


@pytest.mark.parametrize("member", ["seals", "nvauto", "swan", "unet"])
def test_the_starter_scale_is_the_default(member: str) -> None:
    assert find_length(member, "starter") == Length(1, 4000)
    if member != "unet":
        assert find_recipe(member) == find_recipe(member, "starter")


def test_seals_has_no_published_recipe() -> None:
    assert find_length("seals", "published") == Length(5, 250_000)
    with pytest.raises(InputRefused, match="nnU-Net plans"):
        find_recipe("seals", "published")
    with pytest.raises(InputRefused, match="no member called"):
        find_recipe("unet", "published")


def test_repeats_are_networks_of_their_own(
    data_set: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two repeats of one fold have the recipe's one kind, and different weights."""

    def find_small(member: str, scale: Scale) -> Recipe:
        assert (member, scale) == ("nvauto", "published")
        recipe = find_recipe("nvauto")
        spec = recipe.networks["model"]
        assert isinstance(spec, SegResNetDSSpec)
        small = replace(spec, init_filters=4, blocks_down=(1, 1), blocks_up=(1,), dsdepth=1)
        return replace(recipe, networks={"model": small}, patch_size=(16, 16, 16), repeats=2)

    monkeypatch.setattr(training, "find_recipe", find_small)
    options = TrainOptions(
        "nvauto",
        (data_set,),
        tmp_path / "mine",
        pace=Pace(steps=1, steps_per_epoch=1, seed=5, loaders=0),
        device="cpu",
        work=work,
        scale="published",
    )
    training.train_member(options)
    bundle = Bundle.open(options.output)
    entry = bundle.manifest.members.nvauto
    assert entry is not None
    assert [each.file for each in entry.networks] == ["nvauto/model0.safetensors", "nvauto/model1.safetensors"]
    assert entry.networks[0].sha256 != entry.networks[1].sha256
    record = json.loads((options.output / "training" / "nvauto.json").read_text(encoding="utf-8"))
    assert record["scale"] == "published"
    assert (work / "nvauto-published" / "model1" / "best.pt").exists()
