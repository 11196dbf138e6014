"""How the command line ends when something is wrong: one sentence, one exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from deepisles.errors import DeepIslesError

UNEXPECTED_EXIT_CODE = 1

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")]


@contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """End with one sentence on stderr and the error's exit code; with `debug`, also with its traceback."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("deepisles").setLevel(logging.DEBUG if debug else logging.WARNING)
    try:
        yield
    except DeepIslesError as error:
        _fail(error, str(error), error.exit_code, debug)
    except (OSError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, MemoryError) as error:
        _fail(
            error,
            f"Unexpected error ({type(error).__name__}): run again with --debug and report what it shows.",
            UNEXPECTED_EXIT_CODE,
            debug,
        )


def _fail(error: Exception, sentence: str, exit_code: int, debug: bool) -> None:
    if debug:
        logging.getLogger("deepisles").error("the case ended here", exc_info=error)
    typer.echo(f"deepisles: {sentence}", err=True)
    raise typer.Exit(exit_code) from error
