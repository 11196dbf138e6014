"""The import as a whole: every network, the same bytes every time, all or nothing."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from published_formats import TASK, TRAINER, dump_torchscript
from torch import nn

from deepisles.errors import OutputError, WeightsError
from deepisles.weights.bundle import Bundle
from deepisles.weights.import_published import import_published


def list_digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_network_is_there(whole_tree: Path, whole_bundle: Path) -> None:
    bundle = Bundle.open(whole_bundle)
    assert bundle.member_names == ("seals", "nvauto", "swan")
    members = bundle.manifest.members
    assert members.seals is not None
    assert members.nvauto is not None
    assert members.swan is not None
    assert [entry.file for entry in members.seals.networks] == [f"seals/fold{k}.safetensors" for k in range(5)]
    assert [entry.file for entry in members.nvauto.networks] == [f"nvauto/model{k:02d}.safetensors" for k in range(15)]
    assert members.swan.networks[5].file == "swan/swin-factorizer_fold0.safetensors"
    assert members.swan.settings.window == (8, 8, 8)
    entry = members.nvauto.networks[11]
    assert entry.source == "NVAUTO/ts/model11.ts"
    assert entry.source_sha256 == hashlib.sha256((whole_tree / entry.source).read_bytes()).hexdigest()
    assert len({entry.sha256 for _, member in members.items() for entry in member.networks}) == 30


def test_no_path_of_this_machine_in_it(whole_tree: Path, whole_bundle: Path) -> None:
    text = (whole_bundle / "bundle.json").read_text() + (whole_bundle / "MODEL_CARD.md").read_text()
    assert str(whole_tree.parent) not in text


def test_the_same_tree_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "NVAUTO")
    for name in ("first", "second"):
        import_published(tree, tmp_path / name, "same")
    digests = list_digests(tmp_path / "first")
    assert len(digests) == 5 + 10 + 2
    assert digests == list_digests(tmp_path / "second")


def test_some_members(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "NVAUTO")
    shutil.rmtree(tree / "FACTORIZER")
    manifest = import_published(tree, tmp_path / "out", "seals only")
    assert [name for name, _ in manifest.members.items()] == ["seals"]
    bundle = Bundle.open(tmp_path / "out")
    assert len(bundle.load_networks("seals")) == 5
    with pytest.raises(WeightsError, match="no weights for SWAN"):
        bundle.load_networks("swan")
    assert "SEALS (5 networks)" in (tmp_path / "out" / "MODEL_CARD.md").read_text()


def test_an_archive_that_cannot_be_rebuilt_is_kept(tree: Path, tmp_path: Path) -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv3d(2, 2, 3, padding=1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.layer(image).abs()

    network = Other()
    data = dump_torchscript(network)
    (tree / "NVAUTO" / "ts" / "model4.ts").write_bytes(data)
    shutil.rmtree(tree / "SEALS")
    shutil.rmtree(tree / "FACTORIZER")
    manifest = import_published(tree, tmp_path / "out", "mixed")
    assert manifest.members.nvauto is not None
    entry = manifest.members.nvauto.networks[4]
    assert entry.architecture.kind == "torchscript"
    assert entry.sha256 == entry.source_sha256 == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "out" / "nvauto" / "model04.ts").read_bytes() == data
    image = torch.randn(1, 2, 8, 8, 8)
    loaded = Bundle.open(tmp_path / "out").load_networks("nvauto")
    with torch.no_grad():
        assert torch.equal(loaded[4](image), network(image))
        assert loaded[3](image).shape == (1, 2, 8, 8, 8)


def test_a_damaged_file_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    (tree / TASK / TRAINER / "fold_3" / "model_final_checkpoint.model").write_bytes(b"damaged")
    (tmp_path / "places").mkdir()
    with pytest.raises(WeightsError, match=r"SEALS/.*fold_3/model_final_checkpoint\.model is damaged"):
        import_published(tree, tmp_path / "places" / "out", "x")
    assert list((tmp_path / "places").iterdir()) == []


def test_destinations(small_tree: Path, bundle_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("keep")
    with pytest.raises(WeightsError, match="no weights bundle; give a new or empty folder"):
        import_published(small_tree, other, "x")
    assert (other / "mine.txt").read_text() == "keep"
    with pytest.raises(WeightsError, match="no weights bundle"):
        import_published(small_tree, other / "mine.txt", "x")

    # an older bundle is replaced, with all that was in it
    (bundle_folder / "old.txt").write_text("old")
    import_published(small_tree, bundle_folder, "newer")
    assert Bundle.open(bundle_folder).manifest.name == "newer"
    assert not (bundle_folder / "old.txt").exists()
    # unless it is to stay
    import_published(small_tree, bundle_folder, "newest", replace=False)
    assert Bundle.open(bundle_folder).manifest.name == "newer"
    assert {path.name for path in tmp_path.iterdir()} == {"other", "bundle"}

    empty = tmp_path / "empty"
    empty.mkdir()
    import_published(small_tree, empty, "x")
    Bundle.open(empty).verify()


def test_a_destination_that_cannot_be_written(small_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        import_published(small_tree, tmp_path / "file" / "out", "x")


def test_no_tree(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(WeightsError, match="no folder with SEALS, NVAUTO or FACTORIZER"):
            import_published(folder, tmp_path / "out", "x")
    assert not (tmp_path / "out").exists()


def test_the_tiny_bundle_is_the_golden_tree_imported(golden: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    card = (tiny_bundle / "MODEL_CARD.md").read_text()
    import_published(golden / "weights", tmp_path / "tiny", "tiny", card)
    assert list_digests(tmp_path / "tiny") == list_digests(tiny_bundle)


def test_the_tiny_card_is_honest(tiny_bundle: Path) -> None:
    card = (tiny_bundle / "MODEL_CARD.md").read_text()
    for words in ("segment nothing reliably", "For tests", "not the published weights", "Not a\nmedical device"):
        assert words in card
