"""Talks to web servers: what fails is either worth another try, or ends in one sentence."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import httpx2

from deepisles import __version__
from deepisles.errors import WeightsError

USER_AGENT = f"deepisles/{__version__} (+https://doi.org/10.1038/s41467-025-62373-x)"
"""Zenodo asks clients to say who they are, and turns away the usual names of HTTP libraries."""
CONNECT_SECONDS = 30.0
SILENCE_SECONDS = 60.0
"""How long a server may send nothing."""
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class Interrupted(Exception):
    """The line or the server failed in a way that another try may mend.

    Parameters
    ----------
    reason : str
        What happened, as the beginning of a sentence.
    wait_seconds : float, optional
        How long the server asks to wait.
    """

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_seconds = wait_seconds


def open_client() -> httpx2.Client:
    """Make a client; it uses the proxies that the environment names and the system's certificates."""
    return httpx2.Client(
        # a transfer that is packed once more on its way could not be resumed
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=True,
    )


@contextmanager
def open_stream(client: httpx2.Client, address: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
    """Ask for an address and give the answer as it comes in, if it is a success or says that a range is none.

    Yields
    ------
    Response
        With status 200, 206 or 416.

    Raises
    ------
    Interrupted
        If the line was cut, the server is silent, has an error of its own (5xx) or wants to be left alone (429).
    WeightsError
        If it answers anything else, or the address is none.
    """
    place = show_address(address)
    try:
        with client.stream("GET", address, headers=dict(headers)) as response:
            _check_answer(response, place)
            yield response
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise WeightsError(f"{place} is no web address; give one that begins with https://.") from error
    except httpx2.TransportError as error:
        if _is_about_certificates(error):
            raise WeightsError(
                f"The certificate of {place} cannot be trusted; check the clock and the certificates of this machine."
            ) from error
        raise Interrupted(f"The connection to {place} failed ({_name_failure(error)})") from error
    except httpx2.HTTPError as error:
        raise WeightsError(f"{place} cannot be fetched ({_name_failure(error)}); give another address.") from error


def show_address(address: str) -> str:
    """Give an address without what may be secret: name, password and query."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        return repr(address[:100])
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{url.host}{port}{url.path}" if url.host else repr(address[:100])


def _check_answer(response: httpx2.Response, place: str) -> None:
    hops = [answer.url.scheme for answer in (*response.history, response)]
    if hops[0] == "https" and "http" in hops:
        raise WeightsError(f"{place} leads to an address without encryption; give another address.")
    status = response.status_code
    answer = f"{status} {response.reason_phrase}".strip()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        raise Interrupted(f"{place} answers {answer}", _read_wait(response))
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        raise WeightsError(f"{place} answers {answer}; check the address, or give another one with --url.")
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise WeightsError(f"{place} packs what it sends, though it was asked not to; give another address.")


def _read_wait(response: httpx2.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _is_about_certificates(error: BaseException) -> bool:
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLCertVerificationError):
            return True
        link = link.__cause__ or link.__context__
    return False


def _name_failure(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200].rstrip(".") if text else type(error).__name__
