"""A published tree of small networks, and the bundle made of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from published_formats import make_published_tree

from deepisles.weights.import_published import import_published


@pytest.fixture(scope="session")
def whole_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tree once; do not change it."""
    return make_published_tree(tmp_path_factory.mktemp("published") / "weights")


@pytest.fixture(scope="session")
def whole_bundle(whole_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import the tree once; do not change the bundle."""
    destination = tmp_path_factory.mktemp("bundles") / "small"
    import_published(whole_tree, destination, "small")
    return destination


@pytest.fixture(scope="session")
def small_tree(whole_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy one member of the tree, which is imported fast; do not change it."""
    folder = tmp_path_factory.mktemp("published-small") / "weights"
    shutil.copytree(whole_tree / "SEALS", folder / "SEALS")
    return folder


@pytest.fixture
def tree(whole_tree: Path, tmp_path: Path) -> Path:
    """Copy the tree, to be damaged."""
    return Path(shutil.copytree(whole_tree, tmp_path / "tree"))


@pytest.fixture
def bundle_folder(whole_bundle: Path, tmp_path: Path) -> Path:
    """Copy the bundle, to be damaged."""
    return Path(shutil.copytree(whole_bundle, tmp_path / "bundle"))
