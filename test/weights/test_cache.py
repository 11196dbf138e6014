"""The cache of imported weights: once per set of files, safe with several processes."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from deepisles.errors import WeightsError
from deepisles.weights import cache
from deepisles.weights.bundle import Bundle
from deepisles.weights.cache import find_cache, open_published


def test_imported_once(small_tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = open_published(small_tree, tmp_path)
    assert "once" in caplog.text
    caplog.clear()
    stamp = (first.folder / "bundle.json").stat().st_mtime_ns
    second = open_published(small_tree.parent, tmp_path)
    assert caplog.text == ""
    assert second.folder == first.folder
    assert second.digest == first.digest
    assert (first.folder / "bundle.json").stat().st_mtime_ns == stamp
    assert [path.name for path in tmp_path.iterdir()] == [first.folder.name]
    first.verify()


def test_other_files_are_another_import(small_tree: Path, tmp_path: Path) -> None:
    places = tmp_path / "cache"
    tree = Path(shutil.copytree(small_tree, tmp_path / "tree"))
    first = open_published(tree, places)
    (trainer,) = tree.glob("SEALS/*/*/*/*/*")
    name = "model_final_checkpoint.model"
    shutil.copy(trainer / "fold_1" / name, trainer / "fold_2" / name)
    second = open_published(tree, places)
    assert second.folder != first.folder
    assert second.digest != first.digest
    # what the import does not read does not count
    (tree / "SEALS" / "readme.txt").write_text("text")
    assert open_published(tree, places).folder == second.folder


def test_a_damaged_import_is_made_again(small_tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = open_published(small_tree, tmp_path)
    (first.folder / "bundle.json").write_text("{")
    second = open_published(small_tree, tmp_path)
    assert second.digest == first.digest
    assert "damaged" in caplog.text


def test_a_damaged_tree_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    (checkpoint,) = tree.glob("SEALS/**/fold_3/*.model")
    checkpoint.write_bytes(b"damaged")
    places = tmp_path / "cache"
    with pytest.raises(WeightsError, match="fold_3"):
        open_published(tree, places)
    assert not places.exists() or list(places.iterdir()) == []


def open_and_load(tree: Path, places: Path, start: object, answers: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    bundle = open_published(tree, places)
    answers.put((bundle.digest, len(bundle.load_networks("seals"))))  # type: ignore[attr-defined]


def test_two_processes_at_a_time(small_tree: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.Queue()
    places = tmp_path / "cache"
    processes = [context.Process(target=open_and_load, args=(small_tree, places, start, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    start.set()
    results = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert results[0] == results[1]
    assert results[0][1] == 5
    (folder,) = places.iterdir()
    Bundle.open(folder).verify()


def test_the_slower_process_keeps_what_the_faster_one_made(
    small_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = cache.import_published
    opened: list[Bundle] = []

    def overtake(source: Path, destination: Path, name: str, **options: bool) -> object:
        if not opened:
            original(source, destination, "faster")
            opened.append(Bundle.open(destination))
        return original(source, destination, name, **options)

    monkeypatch.setattr(cache, "import_published", overtake)
    slower = open_published(small_tree, tmp_path)
    assert slower.manifest.name == "faster"
    opened[0].verify()
    assert [path.name for path in tmp_path.iterdir()] == [slower.folder.name]


def test_the_folder_is_read_from_the_environment_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPISLES_CACHE", str(tmp_path / "one"))
    assert find_cache() == tmp_path / "one" / "weights"
    monkeypatch.setenv("DEEPISLES_CACHE", str(tmp_path / "two"))
    assert find_cache() == tmp_path / "two" / "weights"
    monkeypatch.delenv("DEEPISLES_CACHE")
    monkeypatch.setattr(cache, "user_cache_path", lambda name: tmp_path / "home" / name)
    assert find_cache() == tmp_path / "home" / "deepisles" / "weights"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "temp").mkdir()
    monkeypatch.setenv("DEEPISLES_CACHE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "temp"))
    found = find_cache()
    assert found.is_relative_to(tmp_path / "temp")
    assert found.parent.stat().st_mode & 0o077 == 0
    # what someone else put there is not taken
    shutil.rmtree(found.parent)
    found.parent.symlink_to(tmp_path)
    with pytest.raises(WeightsError, match="DEEPISLES_CACHE"):
        find_cache()
