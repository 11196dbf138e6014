"""An atlas put in place by its user, found again, and refused where it is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from atlas_files import write_atlas
from typer.testing import CliRunner

from deepisles.atlas.known import KNOWN
from deepisles.atlas.store import ATLAS_VARIABLE, NOTE_NAME, install, open_atlas
from deepisles.cli import app
from deepisles.errors import AtlasError, OutputError
from deepisles.findings.territory import SIDES, TERRITORIES, territory_code

ATLAS_EXIT_CODE = 5


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own atlas out of it."""
    monkeypatch.setenv(ATLAS_VARIABLE, str(tmp_path / "atlas"))
    return tmp_path / "atlas"


def run(*arguments: str | Path):
    return CliRunner().invoke(app, ["atlas", *map(str, arguments)])


def test_an_installed_atlas_is_found_by_its_digest(tmp_path, folder):
    source = write_atlas(tmp_path / "mine.nii.gz")
    done = run("install", source, "--labels", "jhu-level-1")
    assert done.exit_code == 0, done.output
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert digest in done.stdout
    assert "CC BY-SA 4.0" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{digest}.nii.gz", NOTE_NAME])
    opened = open_atlas()
    assert opened.sha256 == digest
    assert set(np.unique(opened.codes.array)) == {territory_code(name, side) for name in TERRITORIES for side in SIDES}


def test_another_atlas_takes_the_place_of_the_first(tmp_path, folder):
    install(write_atlas(tmp_path / "first.nii.gz"), "jhu-level-1")
    second = install(write_atlas(tmp_path / "second.nii", top=5), "five-territories")
    assert sorted(path.name for path in folder.iterdir()) == sorted([second.file, NOTE_NAME])
    assert open_atlas().sha256 == second.sha256


@pytest.mark.parametrize(("top", "labels"), [(30, "jhu-level-1"), (5, "five-territories")])
def test_left_is_the_patients_left(tmp_path, top, labels):
    install(write_atlas(tmp_path / "atlas.nii.gz", top), labels)
    codes = open_atlas().codes
    for name in TERRITORIES:
        left = np.argwhere(codes.array == territory_code(name, "left"))
        right = np.argwhere(codes.array == territory_code(name, "right"))
        # LPS
        assert codes.grid.to_physical_mm(left)[:, 0].min() > 0
        assert codes.grid.to_physical_mm(right)[:, 0].max() < 0


def test_without_an_atlas_there_is_none(monkeypatch, tmp_path):
    monkeypatch.delenv(ATLAS_VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    assert open_atlas() is None


def test_a_named_place_without_an_atlas_is_an_error(tmp_path, folder):
    with pytest.raises(AtlasError, match="There is no atlas in"):
        open_atlas(tmp_path)
    with pytest.raises(AtlasError, match="There is no atlas in"):
        open_atlas()


@pytest.mark.parametrize("damage", ["file", "note", "missing"])
def test_a_damaged_atlas_is_told(tmp_path, folder, damage):
    note = install(write_atlas(tmp_path / "atlas.nii.gz"), "jhu-level-1")
    if damage == "file":
        content = bytearray((folder / note.file).read_bytes())
        content[-20] ^= 1
        (folder / note.file).write_bytes(content)
    elif damage == "note":
        (folder / NOTE_NAME).write_text('{"file": "../../etc/passwd", "name": "x", "labels": "jhu-level-1"}')
    else:
        (folder / note.file).unlink()
    with pytest.raises(AtlasError, match=r"damaged|cannot be read"):
        open_atlas()


def test_an_unknown_file_is_refused_unless_its_labels_are_named(tmp_path, folder):
    done = run("install", write_atlas(tmp_path / "mine.nii.gz"))
    assert done.exit_code == ATLAS_EXIT_CODE
    assert "--labels" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    ("make", "labels", "words"),
    [
        (lambda path: write_atlas(path / "a.nii.gz", top=5), "jhu-level-1", "labels of jhu-level-1"),
        (lambda path: write_atlas(path / "a.nii.gz", top=30), "five-territories", "labels of five-territories"),
        (lambda path: write_atlas(path / "a.nii.gz", spacing_mm=0.4), "jhu-level-1", "does not cover a brain"),
        (lambda path: _write(path / "a.nii.gz", b"nothing"), "jhu-level-1", "atlas"),
        (lambda path: _write(path / "a.png", b"nothing"), "jhu-level-1", "no NIfTI"),
        (lambda path: path / "absent.nii.gz", "jhu-level-1", "cannot be read"),
    ],
)
def test_what_is_no_atlas_is_refused(tmp_path, folder, make, labels, words):
    with pytest.raises(AtlasError, match=words):
        install(make(tmp_path), labels)
    assert not folder.exists()


def test_a_file_in_the_folders_place_is_told(tmp_path, folder):
    folder.write_text("a file")
    with pytest.raises(OutputError, match="not a folder"):
        install(write_atlas(tmp_path / "atlas.nii.gz"), "jhu-level-1")


def test_the_known_files_are_known(shared):
    files = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path for path in (shared / "data" / "atlas").glob("*.nii.gz")
    }
    assert {atlas.sha256 for atlas in KNOWN} == set(files)
    for atlas in KNOWN:
        opened = open_atlas(files[atlas.sha256])
        assert opened.name == atlas.name
        # MCA on the left, beside the insula
        x, y, z = np.linalg.inv(opened.codes.grid.affine_lps)[:3] @ [40, 0, 10, 1]
        assert opened.codes.array[round(z), round(y), round(x)] == territory_code("MCA", "left")


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
