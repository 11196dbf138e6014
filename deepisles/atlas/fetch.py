"""The published atlas by one command: download, check, install."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deepisles.atlas.known import PUBLISHED, Labels
from deepisles.atlas.store import MAX_BYTES, SUFFIXES, Note, install
from deepisles.errors import AtlasError, WeightsError
from deepisles.weights.fetching.digests import Digest
from deepisles.weights.fetching.patience import Patience
from deepisles.weights.fetching.progress import NoFetchProgress
from deepisles.weights.fetching.web import Interrupted, open_client, open_stream, show_address


def fetch(
    address: str | None = None, digest: str | None = None, labels: Labels | None = None, folder: Path | None = None
) -> Note:
    """Download an atlas and install it.

    Parameters
    ----------
    address : str, optional
        Where from; by default that of the published one.
    digest : str, optional
        What it must be, "sha256:..." or "md5:..."; by default the published one's.
    labels : str, optional
        What its numbers mean, where it is not a known one.
    folder : Path, optional
        Where it is kept; by default as `store.find_folder` finds it.

    Raises
    ------
    AtlasError
        If it cannot be had, or is something else.
    OutputError
        If it cannot be written.
    """
    address = address or PUBLISHED.address or ""
    try:
        wanted = Digest.parse(digest or f"sha256:{PUBLISHED.sha256}")
        content = _download(address)
    except WeightsError as error:
        raise AtlasError(str(error)) from error
    suffix = SUFFIXES[1] if content.startswith(b"\x1f\x8b") else SUFFIXES[0]
    with tempfile.TemporaryDirectory(prefix="deepisles-") as work:
        path = Path(work) / f"atlas{suffix}"
        path.write_bytes(content)
        found = wanted.measure(path, NoFetchProgress())
        if found != wanted:
            raise AtlasError(
                f"What {show_address(address)} sent is damaged or another file: its digest is {found} and not "
                f"{wanted}; give another address with --url."
            )
        return install(path, labels, folder)


def _download(address: str) -> bytes:
    patience = Patience(resumes=False)
    with open_client() as client:
        while True:
            try:
                content = bytearray()
                with open_stream(client, address, {}) as response:
                    for chunk in response.iter_raw():
                        content += chunk
                        if len(content) > MAX_BYTES:
                            raise AtlasError(f"{show_address(address)} sends too much to be an atlas.")
                return bytes(content)
            except Interrupted as failure:
                patience.wait_after(failure)
