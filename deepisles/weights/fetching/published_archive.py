"""Where the published weights are kept, and what is known of their archive."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
from pydantic import BaseModel, Field, ValidationError

from deepisles.errors import WeightsError
from deepisles.weights.fetching.digests import Digest
from deepisles.weights.fetching.patience import Patience
from deepisles.weights.fetching.web import Interrupted, open_stream, show_address

RECORD_ADDRESS = "https://zenodo.org/api/records/14026715"
"""The record's metadata: its files, each with its size, its MD5 and where it is downloaded."""
ARCHIVE_NAME = "stroke_ensemble_weights.7z"
KNOWN_DIGEST = Digest("md5", "be5b6dfcd66b55c2e6dc6db9a5880f7f")
"""As others who use this record pin it (NeuroAnnotate's fetch_weights.sh); what the record itself says goes first."""
MAX_ARCHIVE_BYTES = 40 * 10**9
"""The published archive has 9.1e9; a server that says or sends more than this sends something else."""
MAX_RECORD_BYTES = 4 * 2**20

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class WantedArchive:
    """What is to be downloaded.

    Parameters
    ----------
    digest : Digest
        What it must be.
    addresses : sequence of str
        Where to get it, tried in order.
    size_bytes : int, optional
        Its size, where the record told it.
    """

    digest: Digest
    addresses: Sequence[str]
    size_bytes: int | None = None


class _Links(BaseModel):
    address: str = Field(alias="self")


class _File(BaseModel):
    key: str
    size: int = Field(gt=0, le=MAX_ARCHIVE_BYTES)
    checksum: str
    links: _Links


class _Record(BaseModel):
    files: list[_File]


def find_archive(
    client: httpx2.Client, record: str = RECORD_ADDRESS, mirrors: Sequence[str] = (), digest: Digest | None = None
) -> WantedArchive:
    """Find out what to download, and where.

    Parameters
    ----------
    client : Client
        To ask the record with.
    record : str
        Address of its metadata.
    mirrors : sequence of str
        Addresses of the archive to use instead of the record's; with a digest the record is not asked.
    digest : Digest, optional
        Goes before the record's.

    Raises
    ------
    WeightsError
        If the record cannot be read, and the mirrors cannot do without it.
    """
    if mirrors and digest:
        return WantedArchive(digest, mirrors)
    try:
        file = _read_record(client, record)
        told = Digest.parse(file.checksum)
    except WeightsError as error:
        if not mirrors or record != RECORD_ADDRESS:
            raise
        _LOGGER.warning("going on with the digest that this version knows, %s: %s", KNOWN_DIGEST, error)
        return WantedArchive(KNOWN_DIGEST, mirrors)
    if record == RECORD_ADDRESS and told.algorithm == KNOWN_DIGEST.algorithm and told != KNOWN_DIGEST:
        _LOGGER.warning("the record says %s where this version knows %s; the record's is taken", told, KNOWN_DIGEST)
    return WantedArchive(digest or told, mirrors or (file.links.address,), file.size)


def _read_record(client: httpx2.Client, address: str) -> _File:
    patience = Patience()
    while True:
        try:
            content = _read_all(client, address)
            break
        except Interrupted as failure:
            patience.wait_after(failure)
    place = show_address(address)
    try:
        files = [file for file in _Record.model_validate_json(content).files if file.key == ARCHIVE_NAME]
    except ValidationError as error:
        raise WeightsError(
            f"{place} is no Zenodo record that can be read; check the address, or give --url and --digest."
        ) from error
    if len(files) != 1:
        raise WeightsError(f"{place} lists no {ARCHIVE_NAME} to download; give --url and --digest.")
    return files[0]


def _read_all(client: httpx2.Client, address: str) -> bytes:
    content = bytearray()
    with open_stream(client, address, {"Accept": "application/json"}) as response:
        for chunk in response.iter_raw():
            content += chunk
            if len(content) > MAX_RECORD_BYTES:
                raise WeightsError(f"{show_address(address)} sends too much to be a Zenodo record; check the address.")
    return bytes(content)
