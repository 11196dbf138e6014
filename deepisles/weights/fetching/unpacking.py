"""Unpacks a 7z archive that may be malicious: plain files below one folder, and not more than fit the purpose.

py7zr only decompresses; every file is opened here, under a name that was checked before.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from py7zr import SevenZipFile
from py7zr.exceptions import PasswordRequired, UnsupportedCompressionMethodError
from py7zr.io import Py7zIO, WriterFactory

from deepisles.errors import DeepIslesError, OutputError, WeightsError
from deepisles.weights.fetching.free_space import check_space_for_unpacking
from deepisles.weights.fetching.progress import FetchProgress

STAGE = "Unpacking"

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnpackingLimits:
    """How much an archive may unpack to.

    Parameters
    ----------
    files : int
        Files and folders; the published tree has about a hundred.
    total_bytes : int
        All files together; the published archive has 9.1e9 bytes packed.
    ratio : int
        Unpacked bytes per packed byte: trained numbers shrink by a tenth, bombs by a factor of thousands.
    small_bytes : int
        What may be unpacked at any ratio.
    """

    files: int = 10_000
    total_bytes: int = 60 * 10**9
    ratio: int = 20
    small_bytes: int = 64 * 2**20


LIMITS = UnpackingLimits()


def unpack_archive(archive: Path, folder: Path, progress: FetchProgress, limits: UnpackingLimits = LIMITS) -> None:
    """Unpack an archive into a folder.

    Parameters
    ----------
    archive : Path
        The 7z archive.
    folder : Path
        An empty folder, as an absolute path; on an error what is in it is of no use.
    progress : FetchProgress
        Who watches.
    limits : UnpackingLimits
        How much it may unpack to.

    Raises
    ------
    WeightsError
        If it is damaged or no 7z archive, holds anything but files and folders below its own top, or too much.
    OutputError
        If the disk is too small or cannot be written.
    """
    try:
        with closing(SevenZipFile(archive)) as opened:
            sizes = _list_files(opened, limits)
            _check_sizes(sizes, archive.stat().st_size, limits)
            check_space_for_unpacking(folder, sum(sizes.values()))
            progress.start(STAGE, sum(sizes.values()))
            with closing(_Files(folder, sizes, progress)) as files:
                opened.extractall(folder, factory=files)
                files.check_complete()
    except DeepIslesError:
        raise
    except PasswordRequired as error:
        raise WeightsError("The archive is encrypted; give the archive as it was published.") from error
    except UnsupportedCompressionMethodError as error:
        raise WeightsError(
            "The archive is packed in a way that cannot be read here; unpack it with 7-Zip, then import the folder "
            "with deepisles weights import."
        ) from error
    except Exception as error:
        # what a damaged header makes py7zr stumble over is not only its own exceptions
        _LOGGER.debug("py7zr could not unpack", exc_info=error)
        raise WeightsError(
            f"The archive is damaged or no 7z archive ({type(error).__name__}); download it again."
        ) from error


def _list_files(opened: SevenZipFile, limits: UnpackingLimits) -> dict[str, int]:
    """List the files' names and sizes, all of them fit to be written."""
    entries = opened.list()
    if len(entries) > limits.files:
        raise WeightsError(f"The archive holds {len(entries)} files, too many to be weights; give another one.")
    sizes: dict[str, int] = {}
    for entry in entries:
        if not _stays_inside(entry.filename):
            raise WeightsError(
                f"The archive has a file that would land outside of its folder ({entry.filename[:100]!r}); "
                f"do not use it, and download the weights from where they were published."
            )
        if not entry.is_file and not entry.is_directory:
            raise WeightsError(
                f"The archive holds a link or another special file ({entry.filename[:100]!r}); "
                f"do not use it, and download the weights from where they were published."
            )
        if entry.is_file:
            name = PurePosixPath(entry.filename).as_posix()
            if name in sizes:
                raise WeightsError(f"The archive holds {name[:100]!r} twice; download it again.")
            sizes[name] = entry.uncompressed
    return sizes


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    # the anchor is /, \ or a drive's letter
    is_rooted = bool(PureWindowsPath(name).anchor)
    return bool(path.name) and ".." not in path.parts and not is_rooted and "\\" not in name and name.isprintable()


def _check_sizes(sizes: dict[str, int], packed_bytes: int, limits: UnpackingLimits) -> None:
    total = sum(sizes.values())
    allowed = min(limits.total_bytes, max(limits.small_bytes, limits.ratio * packed_bytes))
    if total > allowed:
        raise WeightsError(
            f"The archive of {packed_bytes / 1e6:.1f} MB would unpack to {total / 1e6:.1f} MB, which is too much to be "
            f"weights; do not use it, and download the weights from where they were published."
        )


class _Files(WriterFactory):
    """The files that are unpacked."""

    def __init__(self, folder: Path, sizes: dict[str, int], progress: FetchProgress) -> None:
        self._folder = folder
        self._sizes = sizes
        self._progress = progress
        self._open: dict[str, _File] = {}

    def create(self, filename: str) -> Py7zIO:
        # py7zr gives the path below the folder that it was told; with a name that is not on the list nothing is written
        name = Path(filename).relative_to(self._folder).as_posix()
        file = _File(self._folder / name, self._sizes[name], self._progress)
        self._open[name] = file
        return file

    def check_complete(self) -> None:
        """Check that every file came out whole."""
        if any(name not in self._open or self._open[name].size() != size for name, size in self._sizes.items()):
            raise WeightsError("The archive does not hold all that it lists; download it again.")

    def close(self) -> None:
        """Close all files."""
        for file in self._open.values():
            file.close()


class _File(Py7zIO):
    """A file that is unpacked; it takes no more bytes than were announced."""

    def __init__(self, path: Path, size: int, progress: FetchProgress) -> None:
        self._announced = size
        self._written = 0
        self._progress = progress
        self._stream = self._create(path)

    def write(self, s: bytes | bytearray) -> int:
        self._written += len(s)
        if self._written > self._announced:
            raise WeightsError("The archive unpacks to more than it says; do not use it, and download it again.")
        try:
            self._stream.write(s)
        except OSError as error:
            raise _cannot_write(error) from error
        self._progress.advance(len(s))
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self._written

    def close(self) -> None:
        try:
            self._stream.close()
        except OSError as error:
            raise _cannot_write(error) from error

    @staticmethod
    def _create(path: Path) -> BinaryIO:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("xb")  # follows no link, replaces nothing
        except (FileExistsError, NotADirectoryError) as error:
            raise WeightsError("The archive has a file where it also has a folder; download it again.") from error
        except OSError as error:
            raise _cannot_write(error) from error


def _cannot_write(error: OSError) -> OutputError:
    return OutputError(f"The archive cannot be unpacked: {error.strerror or error}.")
