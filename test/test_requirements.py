"""requirements.txt pins what pyproject.toml allows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[1]


def read_pins(name: str) -> dict[str, str]:
    """Read the pins of a requirements file, those of the files it names included."""
    pins: dict[str, str] = {}
    for line in (PROJECT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            pins |= read_pins(line.removeprefix("-r ").strip())
        elif line and not line.startswith("#"):
            # a marker may follow, for what is not to be had everywhere
            pin = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9A-Za-z.]+)(?:; .+)?", line)
            assert pin, f"{line!r} is no exact pin without a build label"
            pins[canonicalize_name(pin[1])] = pin[2]
    return pins


def read_project() -> dict[str, Any]:
    with (PROJECT / "pyproject.toml").open("rb") as file:
        project: dict[str, Any] = tomllib.load(file)["project"]
    return project


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("requirements.txt", read_project()["dependencies"]),
        ("requirements-train.txt", read_project()["optional-dependencies"]["train"]),
        ("requirements-dev.txt", read_project()["optional-dependencies"]["dev"]),
        ("requirements.txt", read_project()["optional-dependencies"]["serve"]),
        # not this project's to depend on: what the image is listed with
        ("requirements-inventory.txt", ["cyclonedx-bom>=7"]),
    ],
)
def test_every_dependency_is_pinned_within_its_range(name: str, wanted: list[str]) -> None:
    pins = read_pins(name)
    for requirement in map(Requirement, wanted):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} has no pin in {name}"
        assert requirement.specifier.contains(pin), f"{name} pins {requirement.name} to {pin}, against {requirement}"


def test_torchvision_is_pinned_beside_torch() -> None:
    # without the pin pip takes the newest torchvision, and with it gigabytes of another torch
    assert {"torch", "torchvision"} <= read_pins("requirements.txt").keys()
