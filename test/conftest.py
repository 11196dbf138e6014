"""Where the tests' data lie."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from requirement_table import pytest_runtest_logreport, pytest_terminal_summary

__all__ = ["pytest_runtest_logreport", "pytest_terminal_summary"]

# machines that test this are slow and busy: how long one example takes says nothing
settings.register_profile("deepisles", deadline=None, max_examples=60)
settings.load_profile("deepisles")

PROJECT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what test/container needs, which .ci/container.sh makes, and what takes too long for every run."""
    parser.addoption("--image", help="exec image that buildah knows, to run")
    parser.addoption("--invoke-image", help="invoke image that buildah knows, to run")
    parser.addoption("--exported", type=Path, help="folder with what export.sh wrote of the exec image")
    parser.addoption("--train-starter", action="store_true", help="run tools/train_starter.py in small, five minutes")


@pytest.fixture(autouse=True)
def _untouched_logging() -> Iterator[None]:
    """Give every test logging as it is before a front end sets it up, which front ends run in this process do.

    Fixtures of a wider scope run before this one, so the levels are set anew, not put back to what was found.
    """
    root, ours = logging.getLogger(), logging.getLogger("deepisles")
    handlers = list(root.handlers)
    root.setLevel(logging.WARNING)
    ours.setLevel(logging.NOTSET)
    yield
    root.handlers[:] = handlers
    logging.captureWarnings(capture=False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Locate the folder of real cases and golden results beside the project, or skip where it is absent."""
    folder = PROJECT.parent / "shared"
    if not (folder / "reference" / "golden").is_dir():
        pytest.skip("the shared folder with real cases and golden results is not beside the project")
    return folder


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """Locate golden weights and what the original made of them."""
    return shared / "reference" / "golden"


@pytest.fixture(scope="session")
def cases(shared: Path) -> Path:
    """Locate the real cases."""
    return shared / "data" / "cases"


@pytest.fixture(scope="session")
def tiny_bundle() -> Path:
    """Locate the bundle of tiny networks that ships with the project."""
    return PROJECT / "models" / "tiny"
