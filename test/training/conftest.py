"""A small synthetic data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepisles.training.synthesis.case import Ingredients

CASES = 10


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten synthetic cases in ISLES'22's layout, made without any data beside the project."""
    from deepisles.training.synthesis.dataset import write_dataset

    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, CASES, 300, Ingredients())
    return folder


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where prepared cases are kept between tests."""
    return tmp_path_factory.mktemp("work")
