"""Training needs packages that segmenting does not."""

from __future__ import annotations

from importlib.util import find_spec

from deepisles.errors import DeepIslesError

PACKAGES = ("ignite",)
"""pyproject.toml's extra "train"."""


def require_training_packages() -> None:
    """Check that the optional packages are there.

    Raises
    ------
    DeepIslesError
        If one is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise DeepIslesError(
            f"Training needs the package {missing[0]}, which is not installed: "
            f"install deepisles with its extra, pip install 'deepisles[train]'."
        )
