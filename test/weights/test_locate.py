"""Which weights are taken, from a path or from the usual places."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deepisles.errors import WeightsError
from deepisles.weights.locate import MODELS_FOLDER, PLATFORM_FOLDER, Places, find_weights, open_weights


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPISLES_WEIGHTS", raising=False)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(platform_folder=tmp_path / "platform", models_folder=tmp_path / "models")
    found.platform_folder.mkdir()
    found.models_folder.mkdir()
    return found


def put(bundle: Path, destination: Path) -> Path:
    if destination.exists():
        destination.rmdir()
    return Path(shutil.copytree(bundle, destination))


def test_a_bundle_and_a_published_tree(whole_bundle: Path, small_tree: Path, tmp_path: Path) -> None:
    assert open_weights(whole_bundle).folder == whole_bundle
    imported = open_weights(small_tree, cache=tmp_path)
    assert imported.folder.parent == tmp_path
    assert imported.member_names == ("seals",)


def test_order_of_the_places(
    whole_bundle: Path, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match=r"No weights were found.*--weights"):
        open_weights(None, places)
    # each place goes before those that were filled earlier
    for folder in (
        places.models_folder / "tiny",
        places.models_folder / "starter",
        places.models_folder / "published",
        places.platform_folder,
    ):
        put(whole_bundle, folder)
        assert open_weights(None, places).folder == folder
    given = put(whole_bundle, tmp_path / "given")
    monkeypatch.setenv("DEEPISLES_WEIGHTS", str(given))
    assert open_weights(None, places).folder == given
    assert open_weights(whole_bundle, places).folder == whole_bundle


def test_the_platform_folder_may_hold_a_published_tree(small_tree: Path, places: Places, tmp_path: Path) -> None:
    shutil.copytree(small_tree / "SEALS", places.platform_folder / "weights" / "SEALS")
    assert open_weights(None, places, cache=tmp_path / "cache").member_names == ("seals",)


def test_a_filled_platform_folder_is_not_passed_over(whole_bundle: Path, places: Places) -> None:
    put(whole_bundle, places.models_folder / "tiny")
    (places.platform_folder / "readme.txt").write_text("no weights")
    with pytest.raises(WeightsError, match="neither a weights bundle"):
        open_weights(None, places)


def test_empty_folders_are_passed_over(whole_bundle: Path, places: Places) -> None:
    (places.models_folder / "published").mkdir()
    put(whole_bundle, places.models_folder / "starter")
    assert find_weights(places).name == "starter"


def test_other_paths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="There is no folder"):
        open_weights(tmp_path / "absent")
    with pytest.raises(WeightsError, match="neither a weights bundle"):
        open_weights(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="There is no folder"):
        open_weights(tmp_path / "file")
    monkeypatch.setenv("DEEPISLES_WEIGHTS", str(tmp_path / "absent"))
    with pytest.raises(WeightsError, match="There is no folder"):
        open_weights()


def test_a_damaged_bundle_is_not_passed_over(whole_bundle: Path, places: Places) -> None:
    put(whole_bundle, places.models_folder / "tiny")
    folder = put(whole_bundle, places.models_folder / "published")
    (folder / "bundle.json").write_text("")
    with pytest.raises(WeightsError, match="damaged"):
        open_weights(None, places)


def test_the_usual_places() -> None:
    assert Path("/opt/ml/model") == PLATFORM_FOLDER
    assert (MODELS_FOLDER / "tiny" / "bundle.json").is_file()
