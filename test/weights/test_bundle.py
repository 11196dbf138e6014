"""Bundles at run time: what the digests vouch for loads, anything else is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from published_formats import run_v1
from safetensors.torch import load, save
from torch import nn

from deepisles.errors import WeightsError
from deepisles.weights.bundle import Bundle
from deepisles.weights.importers.seals import convert_fold, read_fold_plans

FOLD = "seals/fold2.safetensors"


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "bundle.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def redigest(folder: Path, file: str, **changes: Any) -> None:
    """Make bundle.json vouch for a file as it is now."""
    content = (folder / file).read_bytes()

    def change(manifest: dict[str, Any]) -> None:
        for entry in manifest["members"]["seals"]["networks"]:
            if entry["file"] == file:
                entry.update(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), **changes)

    edit(folder, change)


def expect_refusal(folder: Path, match: str, member: str = "seals") -> None:
    with pytest.raises(WeightsError, match=match) as caught:
        Bundle.open(folder).load_networks(member)
    assert "\n" not in str(caught.value)


def test_networks_are_ready_to_run(whole_bundle: Path) -> None:
    bundle = Bundle.open(whole_bundle)
    images = {"seals": 2, "nvauto": 2, "swan": 3}
    for name, entry in bundle.manifest.members.items():
        networks = bundle.load_networks(name)
        assert len(networks) == len(entry.networks)
        for network in networks:
            assert not network.training
            assert not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
            assert not any(parameter.requires_grad for parameter in network.parameters())
            with torch.no_grad():
                answer = network(torch.randn(1, images[name], 8, 8, 8))
            assert answer.shape[2:] == (8, 8, 8)
            assert answer.isfinite().all()


def test_the_answers_are_the_originals(whole_tree: Path, whole_bundle: Path) -> None:
    networks = Bundle.open(whole_bundle).load_networks("seals")
    image = torch.randn(1, 2, 8, 8, 8)
    paths = sorted(whole_tree.glob("SEALS/**/*.model"))
    for path, network in zip(paths, networks, strict=True):
        plans = read_fold_plans(path.with_name(f"{path.name}.pkl").read_bytes(), "plans")
        converted = convert_fold(path.read_bytes(), plans, "fold")
        state = torch.load(path, weights_only=False)["state_dict"]
        assert plans.strides is not None
        with torch.no_grad():
            torch.testing.assert_close(network(image), run_v1(state, plans.strides, image), rtol=1e-4, atol=1e-4)
        assert converted.tensors.keys() == load((whole_bundle / "seals" / "fold0.safetensors").read_bytes()).keys()


def test_digest_stands_for_everything(whole_bundle: Path, bundle_folder: Path) -> None:
    before = Bundle.open(bundle_folder).digest
    assert before == Bundle.open(whole_bundle).digest
    assert before == hashlib.sha256((whole_bundle / "bundle.json").read_bytes()).hexdigest()
    edit(bundle_folder, lambda content: content.update(name="other"))
    assert Bundle.open(bundle_folder).digest != before


def test_changed_truncated_and_missing_files(bundle_folder: Path) -> None:
    path = bundle_folder / FOLD
    original = path.read_bytes()
    for at in (0, 10, len(original) // 2, len(original) - 1):
        changed = bytearray(original)
        changed[at] ^= 1
        path.write_bytes(bytes(changed))
        expect_refusal(bundle_folder, "fold2.safetensors .* is not what its digest says")
        with pytest.raises(WeightsError, match="digest"):
            Bundle.open(bundle_folder).verify()
    for damaged in (original[:-1], original + b"\0", b""):
        path.write_bytes(damaged)
        expect_refusal(bundle_folder, "another size")
    path.unlink()
    expect_refusal(bundle_folder, "missing or cannot be read")
    with pytest.raises(WeightsError, match="missing"):
        Bundle.open(bundle_folder).verify()
    path.mkdir()
    expect_refusal(bundle_folder, "size|read")
    Bundle.open(bundle_folder).load_networks("swan")


def test_what_the_digest_vouches_for_must_still_fit(bundle_folder: Path) -> None:
    path = bundle_folder / FOLD
    original = path.read_bytes()
    tensors = load(original)
    name = "encoder.stages.0.0.convs.0.conv.weight"
    for damaged, match in (
        (save({**tensors, name: torch.ones(4, 2, 1, 1, 1)}), r"conv\.weight of \(4, 2, 1, 1, 1\)"),
        (save({**tensors, name: tensors[name].to(torch.float64)}), "float64"),
        (save({key: value for key, value in tensors.items() if key != name}), f"lack tensor {name}"),
        (save({**tensors, "extra": torch.ones(1)}), "unexpected tensor extra"),
        (b"no safetensors", "no safetensors file"),
        (original[:-4], "no safetensors file"),
    ):
        path.write_bytes(damaged)
        redigest(bundle_folder, FOLD)
        expect_refusal(bundle_folder, match)


def test_weights_kept_in_16_bits_are_computed_with_in_32(bundle_folder: Path) -> None:
    path = bundle_folder / FOLD
    tensors = load(path.read_bytes())
    path.write_bytes(save({name: tensor.half() for name, tensor in tensors.items()}))
    redigest(bundle_folder, FOLD)
    parameters = dict(Bundle.open(bundle_folder).load_networks("seals")[2].named_parameters())
    assert {parameter.dtype for parameter in parameters.values()} == {torch.float32}
    name = "encoder.stages.0.0.convs.0.conv.weight"
    assert torch.equal(parameters[name], tensors[name].half().float())


def test_links_out_of_the_bundle_are_refused(bundle_folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes((bundle_folder / FOLD).read_bytes())
    (bundle_folder / FOLD).unlink()
    (bundle_folder / FOLD).symlink_to(outside)
    expect_refusal(bundle_folder, "link out of the bundle")
    (bundle_folder / FOLD).unlink()
    (bundle_folder / "inside").write_bytes(outside.read_bytes())
    (bundle_folder / FOLD).symlink_to("../inside")
    assert len(Bundle.open(bundle_folder).load_networks("seals")) == 5
    linked = tmp_path / "linked"
    linked.symlink_to(bundle_folder)
    assert len(Bundle.open(linked).load_networks("seals")) == 5


@pytest.mark.parametrize("file", ["../fold.safetensors", "/etc/passwd", "a/../../b", "a\\b", "", "."])
def test_files_stay_inside(bundle_folder: Path, file: str) -> None:
    edit(bundle_folder, lambda content: content["members"]["seals"]["networks"][0].update(file=file))
    with pytest.raises(WeightsError, match="inside the bundle"):
        Bundle.open(bundle_folder)


def set_in(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for part in path[:-1]:
            content = content[part]
        content[path[-1]] = value

    return change


SEALS_FIRST = ("members", "seals", "networks", 0)


@pytest.mark.parametrize(
    "change",
    [
        set_in("format", value="other"),
        set_in("version", value=2),
        set_in("surplus", value=1),
        set_in("members", "other", value=None),
        set_in("members", value=None),
        set_in("members", "seals", "networks", value=[]),
        set_in(*SEALS_FIRST, "sha256", value="0"),
        set_in(*SEALS_FIRST, "architecture", "kind", value="unknown"),
        set_in(*SEALS_FIRST, "architecture", "surplus", value=1),
        set_in(*SEALS_FIRST, "architecture", "features", value="many"),
        set_in("members", "seals", "settings", "surplus", value=1),
        set_in("members", "seals", "settings", "patch_size", value=[0, 16, 16]),
        set_in("members", "seals", "settings", "spacing_mm", value=[1, 1]),
        set_in("members", "seals", "settings", "transpose", value=[0, 0, 1]),
        set_in("members", "seals", "settings", "mirror_axes", value=[3]),
        set_in("members", "seals", "settings", "step", value=0),
        set_in("members", "nvauto", "settings", "overlap", value=1),
        set_in("members", "swan", "settings", "window", value=[-64, 64, 64]),
        lambda content: content["members"]["seals"]["networks"].append(content["members"]["swan"]["networks"][0]),
        lambda content: content.pop("name"),
    ],
)
def test_an_edited_manifest_is_refused(bundle_folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    edit(bundle_folder, change)
    with pytest.raises(WeightsError, match=r"bundle\.json in .* is damaged or of another version") as caught:
        Bundle.open(bundle_folder)
    assert "\n" not in str(caught.value)


def test_a_digest_that_was_edited(bundle_folder: Path) -> None:
    edit(bundle_folder, set_in(*SEALS_FIRST, "sha256", value="0" * 64))
    expect_refusal(bundle_folder, "is not what its digest says")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("features",), [4, 7]),
        (("features",), [4, 0]),
        (("strides",), [[1, 1, 1], [0, 2, 2]]),
        (("encoder_kernel_sizes",), [[3, 3, 3]]),
        (("encoder_convolutions",), [2, 3]),
    ],
)
def test_a_description_that_was_edited(bundle_folder: Path, path: tuple[str], value: object) -> None:
    edit(bundle_folder, set_in(*SEALS_FIRST, "architecture", *path, value=value))
    expect_refusal(bundle_folder, "fit|built")


def test_a_swan_description_that_was_edited(bundle_folder: Path) -> None:
    for index, name, value in ((0, "norm_groups", 3), (5, "head_dim", [2]), (5, "dropout", 2.0), (5, "rank", 0)):
        edit(bundle_folder, set_in("members", "swan", "networks", index, "architecture", name, value=value))
        expect_refusal(bundle_folder, "fit|built|multiples", "swan")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"no json", b"\xff\xfe", b"{" * 5000])
def test_no_manifest(bundle_folder: Path, content: bytes) -> None:
    (bundle_folder / "bundle.json").write_bytes(content)
    with pytest.raises(WeightsError, match="damaged or of another version") as caught:
        Bundle.open(bundle_folder)
    assert "\n" not in str(caught.value)


def test_no_bundle(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(WeightsError, match=r"no weights bundle.*bundle\.json"):
            Bundle.open(path)
    (tmp_path / "bundle.json").mkdir()
    with pytest.raises(WeightsError, match="no weights bundle"):
        Bundle.open(tmp_path)


def test_each_file_is_read_once(whole_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    original = Path.read_bytes

    def count(path: Path) -> bytes:
        reads.append(path.name)
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", count)
    Bundle.open(whole_bundle).load_networks("nvauto")
    assert sorted(reads) == sorted(["bundle.json", *(f"model{k:02d}.safetensors" for k in range(15))])


def test_a_torchscript_entry_is_checked_too(bundle_folder: Path) -> None:
    archive = torch.jit.script(nn.Conv3d(2, 2, 1)).save_to_buffer()
    (bundle_folder / "net.ts").write_bytes(archive)
    entry = {
        "file": "net.ts",
        "sha256": hashlib.sha256(archive).hexdigest(),
        "architecture": {"kind": "torchscript", "in_channels": 2, "out_channels": 2},
    }
    edit(bundle_folder, set_in("members", "nvauto", "networks", value=[entry]))
    (network,) = Bundle.open(bundle_folder).load_networks("nvauto")
    assert network(torch.ones(1, 2, 2, 2, 2)).shape == (1, 2, 2, 2, 2)
    (bundle_folder / "net.ts").write_bytes(archive[:-1])
    expect_refusal(bundle_folder, "digest", "nvauto")


def test_description_tells_what_is_in_it(whole_bundle: Path) -> None:
    bundle = Bundle.open(whole_bundle)
    text = bundle.describe()
    assert bundle.digest in text
    for words in ("SEALS: 5 networks", "NVAUTO: 15 networks", "SWAN: 10 networks", "Swin Factorizer", "SegResNetDS"):
        assert words in text
    first = bundle.manifest.members.items()[0][1].networks[0]
    parameters = sum(tensor.numel() for tensor in bundle.load_networks("seals")[0].parameters())
    assert first.parameters == parameters
    assert f"{parameters:,} parameters" in text
    assert first.sha256 in text


def test_the_tiny_bundle_is_whole(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    bundle.verify()
    counts = {name: len(bundle.load_networks(name)) for name in bundle.member_names}
    assert counts == {"seals": 5, "nvauto": 15, "swan": 10}
