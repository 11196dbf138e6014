"""The published weights by one command: download, check, unpack, import, tidy up."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepisles.errors import OutputError, WeightsError
from deepisles.weights.fetching.digests import Digest
from deepisles.weights.fetching.download import download
from deepisles.weights.fetching.partial_download import PartialDownload
from deepisles.weights.fetching.progress import FetchProgress, NoFetchProgress
from deepisles.weights.fetching.published_archive import KNOWN_DIGEST, RECORD_ADDRESS, find_archive
from deepisles.weights.fetching.unpacking import unpack_archive
from deepisles.weights.fetching.web import open_client
from deepisles.weights.manifest import MANIFEST_NAME
from deepisles.weights.writing import check_destination

if TYPE_CHECKING:
    from deepisles.weights.bundle import Bundle

NAME = "published"

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchOptions:
    """How to fetch.

    Parameters
    ----------
    archive : Path, optional
        The archive, where it was downloaded already; then there is no network.
    addresses : tuple of str
        Where to download the archive instead of from the record, tried in order.
    digest : str, optional
        What the archive must be, instead of what the record says.
    record : str
        Address of the record's metadata.
    replace : bool
        Whether a bundle that is there already is fetched again.
    """

    archive: Path | None = None
    addresses: tuple[str, ...] = ()
    digest: str | None = None
    record: str = RECORD_ADDRESS
    replace: bool = False


@dataclass(frozen=True)
class Fetched:
    """The bundle, and the digest of the archive that it was made from; None if the bundle was there already."""

    bundle: Bundle
    archive: Digest | None


def fetch_weights(destination: Path, options: FetchOptions, progress: FetchProgress | None = None) -> Fetched:
    """Make a bundle of the published weights, which are downloaded or given as their archive.

    Parameters
    ----------
    destination : Path
        Folder for the bundle; new, empty, or an older bundle.
    options : FetchOptions
        From where.
    progress : FetchProgress, optional
        Who watches.

    Raises
    ------
    WeightsError
        If the weights cannot be had, or are damaged or something else. What there is of a download stays beside the
        destination if the next call can go on with it.
    OutputError
        If the disk is too small or cannot be written; then a download stays likewise.
    """
    if options.archive and (options.addresses or options.record != RECORD_ADDRESS):
        raise WeightsError("Give either --file, or --url and --record, not both.")
    digest = Digest.parse(options.digest) if options.digest else None
    progress = progress or NoFetchProgress()
    check_destination(destination)
    if not options.replace and (present := _open_present(destination)):
        return Fetched(present, None)
    try:
        with _work_folder(destination) as folder:
            if options.archive:
                digest = _check_given(options.archive, digest or KNOWN_DIGEST, progress)
                return Fetched(_import(options.archive, folder, destination, progress), digest)
            with open_client() as client:
                wanted = find_archive(client, options.record, options.addresses, digest)
                partial = PartialDownload(folder, wanted.digest)
                download(client, wanted, partial, progress)
            try:
                bundle = _import(partial.path, folder, destination, progress)
            except WeightsError:
                partial.discard()  # it is what it should be, so that it would be refused again
                raise
            partial.discard()
            return Fetched(bundle, wanted.digest)
    except OSError as error:
        raise OutputError(f"The weights cannot be written to {destination}: {error.strerror or error}.") from error


def _open_present(destination: Path) -> Bundle | None:
    """Open the bundle that is there, if it is whole."""
    if not (destination / MANIFEST_NAME).is_file():
        return None
    from deepisles.weights.bundle import Bundle

    try:
        bundle = Bundle.open(destination)
        bundle.verify()
    except WeightsError as error:
        _LOGGER.warning("the bundle that is there is fetched again: %s", error)
        return None
    return bundle


@contextmanager
def _work_folder(destination: Path) -> Iterator[Path]:
    """Make the folder beside the destination where the archive and what it unpacks to are kept, and tidy it up.

    Raises
    ------
    WeightsError
        If another process is using it.
    """
    place = destination.resolve()
    folder = place.with_name(f".{place.name}.fetch")
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        unpacked = folder / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)  # of a process that was killed
        try:
            yield folder
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
            if not any(path.suffix == ".part" for path in folder.iterdir()):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # not on Windows, where two at a time end in a digest that does not fit
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WeightsError("The weights are being fetched there by another process; wait for it to end.") from error
        except OSError as error:
            _LOGGER.debug("the file system knows no locks", exc_info=error)
        yield
    finally:
        os.close(handle)


def _check_given(archive: Path, digest: Digest, progress: FetchProgress) -> Digest:
    if not archive.is_file():
        raise WeightsError(f"There is no file {archive}; give the archive of the published weights.")
    found = digest.measure(archive, progress)
    if found != digest:
        raise WeightsError(
            f"{archive} is damaged or another file: its digest is {found} and not {digest}; download it again, "
            f"or say with --digest what it is."
        )
    return found


def _import(archive: Path, folder: Path, destination: Path, progress: FetchProgress) -> Bundle:
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    unpack_archive(archive, unpacked, progress)
    progress.start("Importing", None)
    # these import MONAI, which takes seconds that a server's refusal need not wait for
    from deepisles.weights.bundle import Bundle
    from deepisles.weights.import_published import import_published

    import_published(unpacked, destination, NAME)
    return Bundle.open(destination)
