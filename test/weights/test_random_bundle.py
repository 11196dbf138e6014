"""Random bundles: as large as they should be, whole, finite, and never to be taken for weights."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple

import pytest
import torch
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles.cli import app
from deepisles.errors import OutputError, WeightsError
from deepisles.weights.build import build_network, list_tensors, outline_network
from deepisles.weights.bundle import Bundle
from deepisles.weights.initial_values import fill_at_random
from deepisles.weights.published_sizes import (
    NVAUTO_NETWORK,
    PUBLISHED_SIZES,
    RES_UNET,
    SEALS_NETWORK,
    SWIN_FACTORIZER,
)
from deepisles.weights.random_bundle import count_bytes, find_plan, write_random_bundle


@pytest.fixture(scope="module")
def random_bundle(tiny_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("random") / "bundle"
    done = CliRunner().invoke(app, ["weights", "random", str(folder), "--like", str(tiny_bundle), "--seed", "3"])
    assert done.exit_code == 0, done.output
    assert "finds nothing" in done.output
    return folder


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [(SEALS_NETWORK, 31_195_648), (NVAUTO_NETWORK, 87_165_064), (RES_UNET, 28_877_667), (SWIN_FACTORIZER, 7_372_387)],
)
def test_published_sizes_are_the_references(spec, parameters):
    network = outline_network(spec)
    # nnU-Net v1 has no bias there, and the importer writes zeros
    extra = ("transpconvs", "seg_layers") if spec is SEALS_NETWORK else ()
    counted = {
        id(value): value.numel()
        for name, value in network.named_parameters()
        if not (name.endswith("bias") and any(part in name for part in extra))
    }
    assert sum(counted.values()) == parameters


def test_the_published_plan_has_thirty_networks_of_six_and_a_half_gigabytes():
    specs = PUBLISHED_SIZES.list_specs()
    assert len(specs) == 30
    assert 6.5e9 < sum(count_bytes(spec) for spec in specs) < 6.7e9


def test_a_random_bundle_is_a_bundle(random_bundle, tiny_bundle):
    opened, like = Bundle.open(random_bundle), Bundle.open(tiny_bundle)
    opened.verify()
    assert opened.manifest.name == "random-tiny"
    assert opened.member_names == like.member_names
    for (_, ours), (_, theirs) in zip(opened.manifest.members.items(), like.manifest.members.items(), strict=True):
        assert ours.settings == theirs.settings
        assert [(e.file, e.architecture, e.parameters) for e in ours.networks] == [
            (e.file, e.architecture, e.parameters) for e in theirs.networks
        ]
        assert not {e.sha256 for e in ours.networks} & {e.sha256 for e in theirs.networks}
        assert len({e.sha256 for e in ours.networks}) == len(ours.networks)
    card = (random_bundle / "MODEL_CARD.md").read_text()
    assert "find nothing" in card
    assert "seed 3" in card


def test_the_seed_decides(random_bundle, tiny_bundle, tmp_path):
    write_random_bundle(tmp_path / "same", str(tiny_bundle), seed=3)
    write_random_bundle(tmp_path / "other", str(tiny_bundle), seed=4)
    assert Bundle.open(tmp_path / "same").digest == Bundle.open(random_bundle).digest
    assert Bundle.open(tmp_path / "other").digest != Bundle.open(random_bundle).digest


@pytest.mark.parametrize("member", ["seals", "nvauto", "swan"])
def test_answers_stay_finite_and_of_ordinary_size(random_bundle, member):
    bundle = Bundle.open(random_bundle)
    for network in bundle.load_networks(member)[::4]:
        channels = 3 if member == "swan" else 2
        image = torch.randn(1, channels, 64, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            answer = network(image)
        assert torch.isfinite(answer).all()
        assert 1e-3 < answer.abs().max() < 1e3


def test_every_number_is_drawn(tiny_bundle):
    """What is not filled is whatever the memory held."""
    for spec in set(find_plan(str(tiny_bundle)).list_specs()):
        networks = []
        for garbage in (float("nan"), 1e30):
            network = build_network(spec)
            for tensor in list_tensors(network).values():
                tensor.detach().fill_(garbage if tensor.is_floating_point() else 7)
            fill_at_random(network, torch.Generator().manual_seed(1))
            networks.append(list_tensors(network))
        first, second = networks
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_report_says_that_weights_are_random(tmp_path):
    weights = tmp_path / "bundle"
    write_random_bundle(weights, str(make_threshold_bundle(tmp_path / "threshold")))
    images, _ = make_bright_case()
    case = write_case(tmp_path / "case", {name: images[name] for name in ("dwi", "adc")})
    done = CliRunner().invoke(
        app, ["segment", "--dwi", str(case["dwi"]), "--adc", str(case["adc"]), "--weights", str(weights),
              "--members", "nvauto", "--device", "cpu", "--output", str(tmp_path / "out")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["weights"]["bundle"] == "random-threshold"
    assert report["warnings"][0].startswith("The weights are random numbers")
    assert "weights are random numbers" in done.output
    assert "weights are random numbers" in (tmp_path / "out" / "report.html").read_text()


def test_only_random_bundles_say_so(tiny_bundle):
    assert Bundle.open(tiny_bundle).warnings == ()


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**10, 10**10 - 10**9, 10**9))
    with pytest.raises(OutputError, match=r"1\.0 GB free where 6\.6 GB are needed for the random weights"):
        write_random_bundle(tmp_path / "new" / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_something_else_is_not_written_over(tiny_bundle, tmp_path):
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(WeightsError):
        write_random_bundle(tmp_path, str(tiny_bundle))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_is_no_bundle_cannot_be_likened(tmp_path):
    with pytest.raises(WeightsError):
        write_random_bundle(tmp_path / "new", str(tmp_path))
