"""Downloads the archive: goes on where it was cut, and begins anew where what is there is of no use."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus

import httpx2

from deepisles.errors import WeightsError
from deepisles.weights.fetching.digests import Digest
from deepisles.weights.fetching.free_space import check_space_for_fetch
from deepisles.weights.fetching.partial_download import Origin, PartialDownload
from deepisles.weights.fetching.patience import Patience
from deepisles.weights.fetching.progress import FetchProgress
from deepisles.weights.fetching.published_archive import MAX_ARCHIVE_BYTES, WantedArchive
from deepisles.weights.fetching.web import Interrupted, open_stream, show_address

STAGE = "Downloading"
USEFUL_BYTES = 2**20
"""What a try must bring beyond all earlier ones to count as one that brought something."""

_LOGGER = logging.getLogger(__name__)


def download(client: httpx2.Client, wanted: WantedArchive, partial: PartialDownload, progress: FetchProgress) -> None:
    """Download the archive from the first address that gives it.

    Parameters
    ----------
    client : Client
        To download with.
    wanted : WantedArchive
        What, and from where.
    partial : PartialDownload
        What is there of it; afterwards all of it, checked by its digest.
    progress : FetchProgress
        Who watches.

    Raises
    ------
    WeightsError
        If no address gives it; what there is of it stays if it can be gone on with.
    OutputError
        If the disk is too small.
    """
    for place, address in enumerate(wanted.addresses):
        try:
            _Download(client, address, wanted, partial, progress).run()
            check_digest(wanted.digest, partial, progress)
            return
        except WeightsError as error:
            if place == len(wanted.addresses) - 1:
                raise
            _LOGGER.warning("%s Trying the next address.", error)


def check_digest(digest: Digest, partial: PartialDownload, progress: FetchProgress) -> None:
    """Check what was downloaded; what is something else goes.

    Raises
    ------
    WeightsError
        If it is.
    """
    found = digest.measure(partial.path, progress)
    if found != digest:
        place = partial.origin.address if partial.origin else "the server"
        partial.discard()
        raise WeightsError(
            f"What {place} sent is damaged or another file: its digest is {found} and not {digest}; "
            f"run the command again, or give another address with --url."
        )


@dataclass(frozen=True)
class _Part:
    """What an answer says of itself: where its bytes begin in the file, and what file that is."""

    start: int
    origin: Origin


class _Download:
    """The download from one address."""

    def __init__(
        self,
        client: httpx2.Client,
        address: str,
        wanted: WantedArchive,
        partial: PartialDownload,
        progress: FetchProgress,
    ) -> None:
        self._client = client
        self._address = address
        self._place = show_address(address)
        self._wanted = wanted
        self._partial = partial
        self._progress = progress

    def run(self) -> None:
        patience, furthest = Patience(), self._partial.size_bytes
        while not self._is_complete():
            try:
                if self._transfer():
                    return
            except Interrupted as failure:
                # one that is cut and begun anew each time never gets further
                if self._partial.size_bytes >= furthest + USEFUL_BYTES:
                    furthest = self._partial.size_bytes
                    patience.reset()
                patience.wait_after(failure)

    def _is_complete(self) -> bool:
        origin = self._partial.origin
        return origin is not None and self._partial.size_bytes == origin.size_bytes

    def _transfer(self) -> bool:
        """Get what is missing, as far as the line holds; False if all of it has to be asked for instead."""
        offset = self._partial.size_bytes
        with open_stream(self._client, self._address, self._ask_from(offset)) as response:
            part = self._read_head(response)
            if part is None or (part.start == offset > 0 and not self._goes_on_with(part)):
                if not offset:
                    raise WeightsError(f"{self._place} says that the file has no beginning; give another address.")
                _LOGGER.warning("%s has another file by now; it is fetched from its beginning", self._place)
                self._partial.discard()
                return False
            if part.start not in (0, offset):
                raise WeightsError(f"{self._place} sends a part of the file that was not asked for; give another.")
            self._check_size(part)
            if part.start == 0:
                if offset:
                    _LOGGER.warning("%s sends the file from its beginning", self._place)
                self._partial.begin(part.origin)
            self._receive(response, part.origin.size_bytes)
        return True

    def _ask_from(self, offset: int) -> dict[str, str]:
        origin = self._partial.origin
        if not offset or origin is None:
            return {}
        headers = {"Range": f"bytes={offset}-"}
        # a server that knows If-Range sends the whole file if it has changed
        mark = origin.last_modified if origin.etag is None or origin.etag.startswith("W/") else origin.etag
        if mark and origin.address == self._place:
            headers["If-Range"] = mark
        return headers

    def _read_head(self, response: httpx2.Response) -> _Part | None:
        """Read what an answer says of itself; None if it says that there is nothing from there on."""
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None
        headers = response.headers
        length, span = headers.get("content-length", ""), headers.get("content-range")
        start, total = 0, int(length) if length.isdecimal() else None
        # some servers answer a part with 200, which then only Content-Range tells from the whole
        if span is not None or response.status_code == HTTPStatus.PARTIAL_CONTENT:
            match = re.fullmatch(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)", (span or "").strip())
            if match is None:
                raise WeightsError(f"{self._place} does not say which part of the file it sends; give another address.")
            start, total = int(match[1]), int(match[2]) if match[2] != "*" else None
        return _Part(
            start,
            Origin(
                address=self._place,
                digest=str(self._wanted.digest),
                size_bytes=self._wanted.size_bytes if total is None else total,
                etag=headers.get("etag"),
                last_modified=headers.get("last-modified"),
            ),
        )

    def _goes_on_with(self, part: _Part) -> bool:
        return self._partial.origin is not None and self._partial.origin.is_still(part.origin)

    def _check_size(self, part: _Part) -> None:
        size = part.origin.size_bytes
        if self._wanted.size_bytes not in (None, size):
            raise WeightsError(
                f"{self._place} says that the archive has {size} bytes where the record says "
                f"{self._wanted.size_bytes}; give another address with --url."
            )
        if size is None:
            return
        if size > MAX_ARCHIVE_BYTES:
            raise WeightsError(f"{self._place} says that the archive has {size} bytes, which is too much to be it.")
        check_space_for_fetch(self._partial.folder, size - part.start, size)

    def _receive(self, response: httpx2.Response, size: int | None) -> None:
        have = self._partial.size_bytes
        self._progress.start(STAGE, size, have)
        with self._partial.open() as stream:
            for chunk in response.iter_raw():  # as they come: what it gathers to larger ones is lost with the line
                have += len(chunk)
                if have > (size or MAX_ARCHIVE_BYTES):
                    break
                stream.write(chunk)
                self._progress.advance(len(chunk))
        if have > (size or MAX_ARCHIVE_BYTES):
            self._partial.discard()
            raise WeightsError(f"{self._place} sends more bytes than it says; give another address with --url.")
        if size is not None and have < size:
            raise Interrupted(f"{self._place} ended the transfer after {have} of {size} bytes")
