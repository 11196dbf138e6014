"""A training case read: images as segmenting would take them, and the expert's mask on their grid."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from deepisles.case.case import Case
from deepisles.case.decoder import InProcessDecoder
from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_case, read_volume
from deepisles.case.volume import Volume
from deepisles.errors import DeepIslesError, GeometryError
from deepisles.preparation.brain_extraction import strip_case
from deepisles.preparation.common_grid import SAME_GRID_TOLERANCE_MM
from deepisles.preparation.deepbet_extractor import DeepbetExtractor
from deepisles.preparation.prepare import share_grid
from deepisles.training.layout import TrainingCase

TRUSTED = InProcessDecoder()
"""A training's files are the user's own, and thousands: no child process for each."""


@dataclass(frozen=True)
class LabelledCase:
    """A case with its mask.

    Parameters
    ----------
    images : Case
        The brain alone, the ADC on the DWI's grid, FLAIR on its own.
    mask : Volume
        On the DWI's grid; what is above 0 is lesion.
    """

    images: Case
    mask: Volume


def read_training_case(case: TrainingCase, files: CaseFiles) -> LabelledCase:
    """Read a case; heads are stripped as they are when a case is segmented.

    Parameters
    ----------
    case : TrainingCase
        Its name and its mask.
    files : CaseFiles
        Those of its images that are wanted.

    Raises
    ------
    InputRefused, GeometryError, MemberFailed
        If the images or the mask cannot be used; the message names the case.
    """
    try:
        images, _ = strip_case(share_grid(read_case(files, TRUSTED)), "auto", _share_extractor())
        mask = read_volume(case.mask, "lesion mask", allow_constant=True, decoder=TRUSTED)
        if not mask.grid.matches(images.dwi.grid, SAME_GRID_TOLERANCE_MM):
            raise GeometryError("The lesion mask does not lie on the DWI's grid: resample it onto that.")
    except DeepIslesError as error:
        raise type(error)(f"Training case {case.name}: {error}") from error
    return LabelledCase(images, Volume(mask.array, images.dwi.grid))


def fingerprint_files(files: Sequence[Path], *more: str) -> str:
    """Make a name out of files, which changes with their place, size and time, and with `more`."""
    said = [*more, *(f"{file.resolve()} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)]
    return hashlib.sha256(" ".join(said).encode()).hexdigest()[:24]


@cache
def _share_extractor() -> DeepbetExtractor:
    """Make the one extractor of this process: its networks are loaded by the first case that needs them."""
    return DeepbetExtractor(torch.device("cpu"))
