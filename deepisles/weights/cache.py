"""Published weights, imported once and kept: a folder of bundles, each under the digest of what it was made from."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from platformdirs import user_cache_path

from deepisles.errors import WeightsError
from deepisles.weights.bundle import THREADS, Bundle
from deepisles.weights.import_published import import_published
from deepisles.weights.manifest import MANIFEST_NAME, MANIFEST_VERSION
from deepisles.weights.published import PublishedTree, SourceFile, find_published_tree

CACHE_VARIABLE = "DEEPISLES_CACHE"
IMPORT_VERSION = 1
"""Counts up whenever the same files would give another bundle."""
NAME = "published"

_LOGGER = logging.getLogger(__name__)


def open_published(source: Path, cache: Path | None = None) -> Bundle:
    """Open a published tree, through the bundle that its files were or now are imported to.

    Several processes may do so at a time: each imports into a folder of its own, and the first to finish is kept.

    Parameters
    ----------
    source : Path
        The published tree.
    cache : Path, optional
        Folder of imported bundles; by default `find_cache()`.

    Raises
    ------
    WeightsError
        If the tree is incomplete or damaged, or no folder can be written.
    OutputError
        If the bundle cannot be written.
    """
    tree = find_published_tree(source)
    folder = (cache or find_cache()) / _find_key(tree)
    if (folder / MANIFEST_NAME).is_file():
        try:
            return Bundle.open(folder)
        except WeightsError as error:
            _LOGGER.warning("the imported weights in %s are damaged and are imported again: %s", folder, error)
            import_published(source, folder, NAME)
    else:
        _LOGGER.warning("importing the weights in %s once, into %s", source, folder)
        # another process may have been faster, and may be reading what it made
        import_published(source, folder, NAME, replace=False)
    return Bundle.open(folder)


def find_cache() -> Path:
    """Find the folder for imported bundles: $DEEPISLES_CACHE, else the user's cache, else one in the temp folder.

    Raises
    ------
    WeightsError
        If none can be written.
    """
    given = os.environ.get(CACHE_VARIABLE)
    usual = Path(given) if given else user_cache_path("deepisles")
    if _is_writable(usual / "weights"):
        return usual / "weights"
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    fallback = Path(tempfile.gettempdir(), f"deepisles-{owner}")
    _LOGGER.info("%s cannot be written; imported weights go to %s", usual, fallback)
    if _is_own(fallback) and _is_writable(fallback / "weights"):
        return fallback / "weights"
    raise WeightsError(
        f"There is no folder to keep imported weights in; set {CACHE_VARIABLE} to one that can be written, "
        f"or import them yourself with deepisles weights import."
    )


def _is_writable(folder: Path) -> bool:
    """Tell whether a folder is there, or can be made, and takes files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_own(folder: Path) -> bool:
    """Make a folder that only its owner may change, or tell whether it is one: the temp folder is everyone's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())


def _find_key(tree: PublishedTree) -> str:
    files = sorted(tree.list_files(), key=lambda file: file.name)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="weights") as pool:
        digests = list(pool.map(SourceFile.find_digest, files))
    key = hashlib.sha256(f"{MANIFEST_VERSION} {IMPORT_VERSION}\n".encode())
    for file, digest in zip(files, digests, strict=True):
        key.update(f"{digest}  {file.name}\n".encode())
    return key.hexdigest()
