"""Dependencies point one way: what docs/architecture.md says about imports, read off the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import deepisles

PACKAGE = Path(deepisles.__file__).parent
STAGES = ["case", "preparation", "members", "consensus", "findings", "atlas", "reports", "weights"]
FRONT_ENDS = {"cli", "cli_atlas", "cli_bench", "cli_training", "container", "grandchallenge", "segmenting", "ensemble"}
MEMBERS = ["seals", "nvauto", "swan"]
IMAGE_FILES = {"SimpleITK", "itk", "nibabel", "pydicom", "highdicom", "PIL", "imageio"}


def list_imports(path: Path) -> set[str]:
    """List the dotted names of every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def list_rooms(path: Path) -> set[str]:
    """List the rooms and top modules of the package that a file imports."""
    return {name.split(".")[1] for name in list_imports(path) if name.startswith("deepisles.")}


def list_files(room: str) -> list[Path]:
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files
    return files


@pytest.mark.parametrize("room", STAGES)
def test_stages_know_no_front_end(room):
    reached = {str(path.relative_to(PACKAGE)): list_rooms(path) & FRONT_ENDS for path in list_files(room)}
    assert {path: names for path, names in reached.items() if names} == {}


@pytest.mark.parametrize("member", MEMBERS)
def test_members_do_not_import_each_other(member):
    others = {f"deepisles.members.{other}" for other in MEMBERS if other != member}
    assert not list_imports(PACKAGE / "members" / f"{member}.py") & others


@pytest.mark.parametrize("room", ["members", "consensus", "findings"])
def test_rooms_of_arrays_import_no_image_file_library(room):
    reached = {
        str(path.relative_to(PACKAGE)): {name.split(".")[0] for name in list_imports(path)} & IMAGE_FILES
        for path in list_files(room)
    }
    assert {path: names for path, names in reached.items() if names} == {}


@pytest.mark.parametrize("room", ["case", "preparation", "consensus", "findings", "reports"])
def test_only_weights_and_training_touch_checkpoints(room):
    loaders = {"safetensors", "pickle", "deepisles.weights.unpickling"}
    reached = {str(path.relative_to(PACKAGE)): list_imports(path) & loaders for path in list_files(room)}
    assert {path: names for path, names in reached.items() if names} == {}
