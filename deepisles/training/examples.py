"""A training case as the networks want it: on an isotropic grid, cut to the brain, normalised; kept in a cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from deepisles.case.case import Case
from deepisles.case.volume import Grid, Volume
from deepisles.members.axis_resampling import resample_to
from deepisles.members.nonzero_normalisation import normalise
from deepisles.preparation.common_grid import SAME_GRID_TOLERANCE_MM
from deepisles.preparation.registration import FlairRegistration
from deepisles.training.layout import TrainingCase
from deepisles.training.reading import fingerprint_files, read_training_case

DWI, ADC, FLAIR = 0, 1, 2
"""Channels of an example."""
MARGIN_VOXELS = 4
LAYOUT_VERSION = "2"
"""Part of a cache entry's name: another version is prepared anew."""


@dataclass(frozen=True)
class Example:
    """One case ready for training; axes (z, y, x) in storage order, isotropic.

    Parameters
    ----------
    channels : numpy.ndarray
        float16 (3, z, y, x): DWI, ADC, FLAIR, each at zero mean and unit deviation over its voxels that are not 0,
        and 0 elsewhere. FLAIR is all 0 where there is none.
    lesion : numpy.ndarray
        uint8 {0, 1} (z, y, x).
    """

    channels: NDArray[np.float16]
    lesion: NDArray[np.uint8]

    @property
    def has_flair(self) -> bool:
        """Whether FLAIR is there."""
        return bool(self.channels[FLAIR].any())


@dataclass(frozen=True)
class AlignedCase:
    """One case on its DWI's grid; arrays (z, y, x) float32, `flair` None where there is none, `lesion` bool."""

    dwi: NDArray[np.float32]
    adc: NDArray[np.float32]
    flair: NDArray[np.float32] | None
    lesion: NDArray[np.bool_]
    grid: Grid


def read_aligned(case: TrainingCase) -> AlignedCase:
    """Read a case and bring its images onto the DWI's grid, the brain alone.

    Heads are stripped as they are when a case is segmented. A FLAIR on another grid than the DWI is registered, which
    takes a minute.

    Raises
    ------
    InputRefused, GeometryError, MemberFailed
        If the images or the mask cannot be used.
    """
    labelled = read_training_case(case, case.images)
    images = labelled.images
    flair = None if images.flair is None else _on_dwi(images, images.flair)
    return AlignedCase(
        dwi=images.dwi.array.astype(np.float32),
        adc=images.adc.array.astype(np.float32),
        flair=None if flair is None else flair.array.astype(np.float32),
        lesion=labelled.mask.array > 0,
        grid=images.dwi.grid,
    )


def prepare_example(case: TrainingCase, spacing_mm: float) -> Example:
    """Read one case and bring it to an isotropic grid.

    Every member resamples in its own way when it segments (SEALS by way of 1 mm and cubic splines, NVAUTO in physical
    space); training takes one trilinear step for all. What that costs was not measured.

    Raises
    ------
    InputRefused, GeometryError, MemberFailed
        As `read_aligned`.
    """
    aligned = read_aligned(case)
    flair = np.zeros_like(aligned.dwi) if aligned.flair is None else aligned.flair
    stacked = np.stack([aligned.dwi, aligned.adc, flair, aligned.lesion.astype(np.float32)])
    # resample_to takes (x, y, z), as does the spacing
    native = torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 2, 1)))[None]
    resampled = resample_to(native, aligned.grid.spacing_mm, (spacing_mm,) * 3)[0].numpy().transpose(0, 3, 2, 1)
    channels = normalise(np.ascontiguousarray(resampled[:3]))
    box = find_brain_box(channels[DWI] != 0)
    return Example(
        np.ascontiguousarray(channels[:, *box], dtype=np.float16),
        np.ascontiguousarray(resampled[3][box] >= 0.5).astype(np.uint8),
    )


def load_example(case: TrainingCase, spacing_mm: float, cache: Path) -> Example:
    """Take an example from the cache, or prepare it and put it there.

    Raises
    ------
    InputRefused, GeometryError, MemberFailed
        As `prepare_example`.
    """
    stored = cache_path(case, spacing_mm, cache)
    if not stored.exists():
        example = prepare_example(case, spacing_mm)
        stored.parent.mkdir(parents=True, exist_ok=True)
        # of this process alone: several prepare cases at a time
        partial = stored.with_suffix(f".{os.getpid()}.npy")
        np.save(partial, np.concatenate([example.channels, example.lesion[None].astype(np.float16)]))
        partial.replace(stored)
    # mapped, so that a crop reads only its own part
    array = np.load(stored, mmap_mode="r", allow_pickle=False)
    return Example(array[:3], array[3])


def cache_path(case: TrainingCase, spacing_mm: float, cache: Path) -> Path:
    """Name a case's place in the cache: it changes with the files, their times and how they are prepared."""
    files = [case.dwi, case.adc, case.mask, *([case.flair] if case.flair and case.flair.exists() else [])]
    return cache / f"{fingerprint_files(files, LAYOUT_VERSION, str(spacing_mm))}.npy"


def find_brain_box(brain: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Find the box (z, y, x) around a mask, with a margin; the whole volume where it is empty."""
    found = ndimage.find_objects(brain.astype(np.uint8))
    if not found:
        return slice(None), slice(None), slice(None)
    z, y, x = (slice(max(part.start - MARGIN_VOXELS, 0), part.stop + MARGIN_VOXELS) for part in found[0])
    return z, y, x


def _on_dwi(images: Case, flair: Volume) -> Volume:
    if flair.grid.matches(images.dwi.grid, SAME_GRID_TOLERANCE_MM):
        return flair
    with FlairRegistration(images.dwi, flair) as registering:
        return registering.result()
