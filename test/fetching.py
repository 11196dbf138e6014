"""`deepisles weights fetch` from a server on loopback, and what a user sees of it."""

from __future__ import annotations

from pathlib import Path

from archive_server import RECORD, ArchiveServer
from click.testing import Result
from typer.testing import CliRunner

from deepisles.cli import app

WEIGHTS_EXIT_CODE, OUTPUT_EXIT_CODE = 5, 8


def run_fetch(destination: Path, *options: str | Path) -> Result:
    return CliRunner().invoke(app, ["weights", "fetch", str(destination), *map(str, options)])


def fetch(server: ArchiveServer, destination: Path, *options: str | Path) -> Result:
    return run_fetch(destination, "--record", server.address(RECORD), *options)


def assert_refused(done: Result, destination: Path, *fragments: str, exit_code: int = WEIGHTS_EXIT_CODE) -> str:
    """Check that a user sees one sentence, and that nothing half-made stands where the bundle should be."""
    assert done.exit_code == exit_code, done.output
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    sentence = done.stderr.rstrip()
    assert sentence.startswith("deepisles: ")
    assert sentence.endswith(".")
    for fragment in fragments:
        assert fragment in sentence
    assert not destination.exists()
    return sentence


def list_names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def find_partial(destination: Path) -> Path:
    """Find what is kept of a download."""
    return destination.parent / f".{destination.name}.fetch" / "archive.7z.part"
