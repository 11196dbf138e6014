"""Where the atlas is kept: a folder with one atlas file, named by its digest, and a note of what it is."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepisles.atlas.atlas import Atlas, read_codes
from deepisles.atlas.known import Labels, find_known
from deepisles.case.decoder import InProcessDecoder
from deepisles.case.formats import split_name
from deepisles.errors import AtlasError, OutputError

ATLAS_VARIABLE = "DEEPISLES_ATLAS"
"""Instead of the usual folder: another one of its kind, or a known atlas file."""
NOTE_NAME = "atlas.json"
SUFFIXES = (".nii", ".nii.gz")
MAX_BYTES = 200 * 10**6
"""The known ones have 0.2e6; the JHU's own, uncompressed, 14e6."""


class Note(BaseModel):
    """What is known of the atlas in a folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(pattern=r"^[0-9a-f]{64}\.nii(\.gz)?$")
    name: str
    labels: Labels

    @property
    def sha256(self) -> str:
        """Digest of the file, after which it is named."""
        return self.file.partition(".")[0]


def find_folder() -> Path:
    """Find the folder where `install` puts the atlas: $DEEPISLES_ATLAS, else one in the user's data."""
    given = os.environ.get(ATLAS_VARIABLE)
    return Path(given) if given else user_data_path("deepisles") / "atlas"


def install(source: Path, labels: Labels | None = None, folder: Path | None = None) -> Note:
    """Check an atlas file and keep a copy of it, in place of an earlier one.

    Parameters
    ----------
    source : Path
        The file.
    labels : str, optional
        What its numbers mean; only needed where the file is not a known one.
    folder : Path, optional
        Where it is kept; by default `find_folder()`.

    Raises
    ------
    AtlasError
        If the file is no atlas that can be used.
    OutputError
        If it cannot be written.
    """
    folder = folder or find_folder()
    content = _read_file(source)
    note = _describe(content, source, labels)
    read_codes(source, note.labels)
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is not a folder: set {ATLAS_VARIABLE} to a folder to install the atlas into.")
        folder.mkdir(parents=True, exist_ok=True)
        # the note comes last: a folder with a note has what it names
        _write_whole(folder / note.file, content)
        _write_whole(folder / NOTE_NAME, (note.model_dump_json(indent=1) + "\n").encode())
        for older in folder.iterdir():
            if older.name != note.file and older.name.endswith(SUFFIXES):
                older.unlink()
    except OSError as error:
        raise OutputError(f"The atlas cannot be written to {folder}: {error.strerror or error}.") from error
    return note


def open_atlas(place: Path | None = None) -> Atlas | None:
    """Open the installed atlas, its digest checked on the bytes that are read.

    Parameters
    ----------
    place : Path, optional
        A folder that `install` wrote to, or a known atlas file; by default $DEEPISLES_ATLAS, else the usual folder.

    Returns
    -------
    Atlas or None
        None if nothing is installed in the usual folder.

    Raises
    ------
    AtlasError
        If a place was named that has no atlas, or the atlas is damaged.
    """
    chosen = place or find_folder()
    if chosen.is_file():
        note = _describe(_read_file(chosen), chosen, None)
        return Atlas(read_codes(chosen, note.labels), note.name, note.sha256)
    if not (chosen / NOTE_NAME).is_file():
        if place is None and not os.environ.get(ATLAS_VARIABLE):
            return None
        raise AtlasError(f"There is no atlas in {chosen}: install one with deepisles atlas install or fetch.")
    note = _read_note(chosen)
    path = chosen / note.file
    if hashlib.sha256(_read_file(path)).hexdigest() != note.sha256:
        raise AtlasError(f"The atlas in {chosen} is damaged: install it again with deepisles atlas install or fetch.")
    # its digest is one that was decoded in a child process when it was installed
    return Atlas(read_codes(path, note.labels, InProcessDecoder()), note.name, note.sha256)


def _describe(content: bytes, source: Path, labels: Labels | None) -> Note:
    suffix = split_name(source)[1]
    if suffix not in SUFFIXES:
        raise AtlasError("The atlas is no NIfTI file: give the .nii or .nii.gz of the JHU arterial atlas.")
    sha256 = hashlib.sha256(content).hexdigest()
    known = find_known(sha256)
    if known is None and labels is None:
        raise AtlasError(
            f"The atlas file is none that is known (sha256 {sha256}): if it is an arterial atlas in MNI152 space, "
            f"install it and say with --labels what its numbers mean."
        )
    if known is not None:
        return Note(file=sha256 + suffix, name=known.name, labels=known.labels)
    return Note(file=sha256 + suffix, name="an arterial atlas that its user named", labels=labels or "jhu-level-1")


def _read_note(folder: Path) -> Note:
    try:
        return Note.model_validate_json((folder / NOTE_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise AtlasError(
            f"The atlas in {folder} is damaged: install it again with deepisles atlas install or fetch."
        ) from error


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise AtlasError("The atlas file is too large to be one: give the file of the JHU arterial atlas.")
        return path.read_bytes()
    except OSError as error:
        raise AtlasError(f"The atlas file {path} cannot be read: {error.strerror or error}.") from error


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
