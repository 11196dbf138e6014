"""The files that come with the project: report assets, schemas, the sample case."""

from __future__ import annotations

from pathlib import Path

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
"""Beside the package, in a checkout and in the container alike."""


def resource_path(*parts: str) -> Path:
    """Locate one of the project's resources, as in ``resource_path("schemas", "report.schema.json")``."""
    return RESOURCES.joinpath(*parts)
