"""Which weights to take: those that were given, or the first of the usual places that has some."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import deepisles
from deepisles.errors import WeightsError
from deepisles.weights.manifest import MANIFEST_NAME
from deepisles.weights.published import is_published_tree

if TYPE_CHECKING:
    from deepisles.weights.bundle import Bundle

WEIGHTS_VARIABLE = "DEEPISLES_WEIGHTS"
PLATFORM_FOLDER = Path("/opt/ml/model")
"""Where Grand Challenge unpacks an algorithm's model; empty where none was uploaded."""
MODELS_FOLDER = Path(deepisles.__file__).resolve().parent.parent / "models"
"""Beside the package: in a checkout and in the container."""
BUNDLE_NAMES = ("published", "starter", "tiny")


@dataclass(frozen=True)
class Places:
    """Where to look for weights when none are given.

    Parameters
    ----------
    platform_folder : Path
        Taken if it holds anything.
    models_folder : Path
        Folder of bundles.
    bundle_names : sequence of str
        Which of them, best first.
    """

    platform_folder: Path = PLATFORM_FOLDER
    models_folder: Path = MODELS_FOLDER
    bundle_names: Sequence[str] = BUNDLE_NAMES


def open_weights(path: Path | None = None, places: Places | None = None, cache: Path | None = None) -> Bundle:
    """Open a bundle, or a published tree through the cache.

    Parameters
    ----------
    path : Path, optional
        The bundle or tree; if absent $DEEPISLES_WEIGHTS, then the usual places.
    places : Places, optional
        The usual places; by default those of the platform and of this installation.
    cache : Path, optional
        Where imported trees are kept; by default as `cache.find_cache` finds it.

    Raises
    ------
    WeightsError
        If there are none, or they are damaged.
    """
    chosen = path or find_weights(places or Places())
    if not chosen.is_dir():
        raise WeightsError(f"There is no folder {chosen}; give a weights bundle, or the published weights.")
    try:
        is_bundle, is_tree = (chosen / MANIFEST_NAME).exists(), is_published_tree(chosen)
    except OSError as error:
        raise WeightsError(f"The folder {chosen} cannot be read; check its permissions.") from error
    # these import MONAI, which takes seconds that a refusal need not wait for
    if is_bundle:
        from deepisles.weights.bundle import Bundle

        return Bundle.open(chosen)
    if is_tree:
        from deepisles.weights.cache import open_published

        return open_published(chosen, cache)
    raise WeightsError(
        f"{chosen} holds neither a weights bundle ({MANIFEST_NAME}) nor the published weights "
        f"(SEALS, NVAUTO, FACTORIZER); give a folder that does."
    )


def find_weights(places: Places) -> Path:
    """Find the first of the usual places that holds anything.

    Raises
    ------
    WeightsError
        If none does.
    """
    if given := os.environ.get(WEIGHTS_VARIABLE):
        return Path(given)
    for folder in (places.platform_folder, *(places.models_folder / name for name in places.bundle_names)):
        try:
            if folder.is_dir() and any(folder.iterdir()):
                return folder
        except OSError as error:
            raise WeightsError(f"The folder {folder} cannot be read; check its permissions.") from error
    raise WeightsError(
        f"No weights were found: give a bundle or the published weights with --weights, or set {WEIGHTS_VARIABLE}."
    )
