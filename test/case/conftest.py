"""One child process for all tests that decode many images."""

from __future__ import annotations

import pytest

from deepisles.case.child_decoder import ChildDecoder


@pytest.fixture(scope="session")
def decoder():
    with ChildDecoder() as shared_by_all:
        yield shared_by_all
