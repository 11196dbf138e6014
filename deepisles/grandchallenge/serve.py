"""`deepisles serve`: the "invoke" container's process.

The web server has a thread of its own. Networks are loaded and run in the main thread, as by the process for one case:
so a signal reaches a case wherever it is, and /health is answered during one.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NoReturn

from deepisles.container import (
    INTERRUPTED_EXIT_CODE,
    StageLog,
    begin,
    explain,
    fail,
    make_parser,
    read_options,
    read_series,
    run_container,
)
from deepisles.errors import ServerError
from deepisles.grandchallenge.case_desk import CaseDesk
from deepisles.grandchallenge.stopping import end_soon_after_a_signal
from deepisles.options import SegmentOptions
from deepisles.segmenting import load_ensemble

if TYPE_CHECKING:
    from deepisles.ensemble import Ensemble

PORT: Final = 4743
"""Where Grand Challenge asks."""
GRACE_SECONDS: Final = 3.0
"""For a case to end by itself when the server is stopped; the platform waits for 5 s, then kills."""

logger = logging.getLogger(__name__)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve until SIGTERM, then end at once.

    Python takes apart all that was loaded before it ends, on a busy machine for longer than the platform waits.
    """
    exit_code = main(arguments)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(exit_code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the networks, then segment the case in the input folder whenever asked, until SIGTERM.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; by default the process's own.

    Returns
    -------
    int
        Exit code: 0 when stopped between cases, else that of the error.
    """
    parser = make_parser("deepisles serve", "Segment one case per POST /invoke (Grand Challenge's invoke interface).")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - asked from outside
    parser.add_argument("--port", type=int, default=PORT, help="port to listen on")
    chosen = begin(parser, arguments)
    desk = CaseDesk()
    case_runs = False
    try:
        _start_web_server(desk, _listen(chosen.host, chosen.port))
        end_soon_after_a_signal(GRACE_SECONDS, INTERRUPTED_EXIT_CODE)
        options = read_options(chosen)
        # a case may ask for another profile than the server's, and exact needs every member
        ensemble = load_ensemble(replace(options, profile="exact"))
        desk.open()
        logger.info("ready on port %d", chosen.port)
        while True:
            order = desk.take()
            case_runs = True
            sentence = _segment(chosen, options, ensemble)
            case_runs = False
            desk.finish(order, sentence)
    except KeyboardInterrupt as error:
        return fail(error) if case_runs else 0
    except Exception as error:  # the outermost frame: whatever stops the server ends in one sentence
        # the platform tells no more of this than that nothing answered
        logger.error("the server cannot be started", exc_info=error)
        return fail(error)


def _segment(chosen: argparse.Namespace, options: SegmentOptions, ensemble: Ensemble) -> str | None:
    """Segment the case that lies in the input folder now; give the error's sentence if that fails."""
    started = time.monotonic()
    try:
        run_container(chosen.input, chosen.output, options, StageLog(), read_series(chosen), lambda _: ensemble)
    except Exception as error:  # whatever fails a case must not end the server
        fail(error)
        return explain(error)[0]
    logger.info("case done in %.1f s", time.monotonic() - started)
    return None


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise ServerError(f"Port {port} of {host} cannot be listened on: stop what uses it, or give --port.") from error


def _start_web_server(desk: CaseDesk, listener: socket.socket) -> None:
    try:
        import uvicorn

        from deepisles.grandchallenge.server import make_app
    except ImportError as error:
        raise ServerError(
            "FastAPI and uvicorn are missing: install them with pip install 'deepisles[serve]'."
        ) from error
    # log_config=None: uvicorn's own logs to stderr, which the platform takes for warnings
    config = uvicorn.Config(make_app(desk), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web server", daemon=True).start()
