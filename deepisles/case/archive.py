"""Unpacks a .zip that may be malicious: plain files below one folder, and not more than a study has.

zipfile only decompresses; every file is opened here, under a name that was checked before. What an entry is called is
never shown: names in hospitals' archives can be patients'.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from deepisles.errors import InputRefused, OutputError

MAX_FILES: Final = 20_000
"""A study's slices, one a file, and several times that."""
MAX_TOTAL_BYTES: Final = 4 << 30
"""All files together, unpacked."""
MAX_RATIO: Final = 200
"""Unpacked bytes per packed byte; stripped brains, mostly zeros, shrink by a factor of tens, bombs of a thousand."""
SMALL_BYTES: Final = 16 << 20
"""What a file may unpack to at any ratio, as a blank image may."""
MAX_DEPTH: Final = 16
MAX_NAME_BYTES: Final = 255
"""Of a file or folder, as file systems allow."""
MAX_DIRECTORY_BYTES: Final = 16 << 20
"""Of the archive's table of contents, which zipfile reads at one go: 800 bytes for each of `MAX_FILES`."""
LOCAL_HEADER_BYTES: Final = 30
"""The least that stands before a file's data (APPNOTE.TXT 4.3.7)."""

CHUNK_BYTES: Final = 1 << 18

_SIGNATURE: Final = b"PK\3\4"
_EMPTY_SIGNATURE: Final = b"PK\5\6"
_ENCRYPTED_FLAGS: Final = 0x1 | 0x40 | 0x2000
"""Encrypted, strongly encrypted, with a masked header (APPNOTE.TXT 4.4.4)."""
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""An LZMA stream may ask for gigabytes of memory."""
_SIDE_FOLDER: Final = "__MACOSX"
"""Where macOS keeps what other systems cannot store; no file of the archive's own is in it."""

_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
)
"""What damaged archives make zipfile raise: of these only BadZipFile is its own."""


class _ZipBytes(io.FileIO):
    """The archive's file, which hands out no piece that is larger than a table of contents may be."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = MAX_DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        piece = super().read(min(wanted, MAX_DIRECTORY_BYTES + 1))
        if len(piece) > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("table of contents is too large")
        return piece


def unpack_zip(path: Path, folder: Path, role: str) -> None:
    """Unpack a zip archive into an empty folder.

    Parameters
    ----------
    path : Path
        The archive.
    folder : Path
        An empty folder, or one that is yet to be made. Plain files are written below it under their own names, without
        permissions or times from the archive; on an error what is in it is of no use.
    role : str
        What the archive holds, for messages: "DWI".

    Raises
    ------
    InputRefused
        If it is damaged, encrypted or no zip archive, holds anything but files and folders below its own top, a name
        twice, too many files or too much.
    OutputError
        If the files cannot be written.
    ValueError
        If the folder is not empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError("zip archives are unpacked into empty folders")
    if not path.is_file():
        raise InputRefused(f"The {role} zip file was not found: there is no file {path}.")
    try:
        with _ZipBytes(path) as raw:
            _check_signature(raw, role)
            with zipfile.ZipFile(raw) as archive:
                for name, entry in _list_files(archive, path.stat().st_size, role).items():
                    _unpack_file(archive, entry, folder / name, role)
    except PermissionError as error:
        raise InputRefused(f"The {role} zip file cannot be opened: check that you may read the file.") from error
    except _DAMAGED as error:
        raise _refuse_damaged(role) from error


def _check_signature(raw: io.FileIO, role: str) -> None:
    found = raw.read(len(_SIGNATURE))
    if found == _EMPTY_SIGNATURE:
        raise InputRefused(f"The {role} zip file is empty: pack the images into it again.")
    if found != _SIGNATURE:
        raise InputRefused(
            f"The {role} file is not a zip archive although its name says so: export it again, "
            "or name it by its true format."
        )


def _list_files(archive: zipfile.ZipFile, packed_bytes: int, role: str) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """List the files by the names under which they may be written."""
    entries = archive.infolist()
    if len(entries) > MAX_FILES:
        raise InputRefused(
            f"The {role} zip file holds more than {MAX_FILES} files: leave only the images of one study in it."
        )
    files: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for entry in entries:
        name = _check_name(entry, role)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputRefused(f"The {role} zip file holds a link or another special file: leave only images in it.")
        if entry.is_dir() or kind == stat.S_IFDIR or name.parts[0] == _SIDE_FOLDER:
            continue
        if name in files:
            raise InputRefused(f"The {role} zip file holds two files of the same name: pack it again.")
        if entry.flag_bits & _ENCRYPTED_FLAGS:
            raise InputRefused(f"The {role} zip file is encrypted: unpack it first, or export it without a password.")
        if entry.compress_type not in _METHODS:
            raise InputRefused(f"The {role} zip file is compressed in an unusual way: unpack it first, or zip it anew.")
        files[name] = entry
    _check_sizes(list(files.values()), packed_bytes, role)
    return files


def _check_name(entry: zipfile.ZipInfo, role: str) -> PurePosixPath:
    # some programs for Windows separate folders by backslashes; ZipInfo.filename ends at the first NUL
    text = entry.orig_filename.replace("\\", "/")
    name = PurePosixPath(text)
    # a drive's letter is an anchor too
    if name.is_absolute() or PureWindowsPath(text).anchor or PureWindowsPath(text).drive or ".." in name.parts:
        raise InputRefused(
            f"The {role} zip file holds a file that would land outside of its folder: do not use it, "
            "and export the images again."
        )
    too_long = len(name.parts) > MAX_DEPTH or any(len(part.encode()) > MAX_NAME_BYTES for part in name.parts)
    if too_long or not name.parts or any(character < " " for character in text):
        raise InputRefused(
            f"The {role} zip file holds a file with an impossible name, or in folders too deep: pack it again."
        )
    return name


def _check_sizes(entries: list[zipfile.ZipInfo], packed_bytes: int, role: str) -> None:
    if not entries:
        raise InputRefused(f"The {role} zip file is empty: pack the images into it again.")
    if sum(entry.compress_size + LOCAL_HEADER_BYTES for entry in entries) > packed_bytes:
        # several entries that unpack the same bytes: "quoted overlap", or simply cut short
        raise _refuse_damaged(role)
    is_bomb = any(entry.file_size > max(SMALL_BYTES, MAX_RATIO * entry.compress_size) for entry in entries)
    if is_bomb or sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise InputRefused(
            f"The {role} zip file would unpack to more than a study has: leave only the images of one study in it."
        )


def _unpack_file(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, role: str) -> None:
    """Write one file; zipfile gives no more bytes than the entry's size says, and checks their checksum."""
    written_bytes = 0
    with archive.open(entry) as packed:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")  # follows no link, replaces nothing
        except (FileExistsError, NotADirectoryError) as error:
            raise InputRefused(f"The {role} zip file holds two files of the same name: pack it again.") from error
        except OSError as error:
            raise _cannot_write(error, role) from error
        with file:
            while piece := packed.read(CHUNK_BYTES):
                try:
                    written_bytes += file.write(piece)
                except OSError as error:
                    raise _cannot_write(error, role) from error
    if written_bytes != entry.file_size:
        raise _refuse_damaged(role)


def _cannot_write(error: OSError, role: str) -> OutputError:
    return OutputError(f"The {role} zip file cannot be unpacked: {error.strerror or 'the files cannot be written'}.")


def _refuse_damaged(role: str) -> InputRefused:
    return InputRefused(f"The {role} zip file is damaged or cut short: copy or export it again.")
