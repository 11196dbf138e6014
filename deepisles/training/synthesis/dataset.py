"""A folder of synthetic cases, laid out as ISLES'22 is, so that training reads it like any other."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepisles.case.volume import Grid
from deepisles.errors import OutputError
from deepisles.reports.images import write_volume
from deepisles.training.layout import name_case
from deepisles.training.synthesis.case import Ingredients, synthesise_case
from deepisles.training.synthesis.scanner import Acquisition, choose_adc_unit, to_scaled_integers

LAS_DIRECTION = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
"""Index axes toward left, anterior and superior: the storage order of nearly all clinical NIfTI files."""


def write_dataset(folder: Path, count: int, first_seed: int, ingredients: Ingredients, workers: int = 1) -> None:
    """Write cases with the seeds from `first_seed` on; those that are there already are left as they are.

    Parameters
    ----------
    folder : Path
        Root of the data set.
    count : int
        Number of cases.
    first_seed : int
        Seed and number of the first case.
    ingredients : Ingredients
        What they are made from.
    workers : int
        Processes to share the work.

    Raises
    ------
    OutputError
        If a case cannot be written.
    """
    missing = [seed for seed in range(first_seed, first_seed + count) if not name_case(folder, seed).mask.exists()]
    if workers <= 1:
        _write_cases(folder, missing, ingredients)
        return
    shares = [missing[start::workers] for start in range(workers)]
    processes = [multiprocessing.Process(target=_write_cases, args=(folder, share, ingredients)) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise OutputError(f"Not every case could be written to {folder}: check its free space and run this again.")


def _write_cases(folder: Path, seeds: Sequence[int], ingredients: Ingredients) -> None:
    for seed in seeds:
        write_case(folder, seed, synthesise_case(seed, ingredients))


def write_case(folder: Path, seed: int, images: Acquisition) -> None:
    """Write one case's images, its mask last.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    # what the file looks like is chance too, but not the images' own
    rng = np.random.default_rng((seed, 1))
    z, y, x = images.dwi.shape
    grid = Grid((z, y, x), images.spacing_mm, (0.0, 0.0, 0.0), LAS_DIRECTION)
    unit = choose_adc_unit(rng)
    adc = to_scaled_integers(images.adc) if unit == 1.0 else (images.adc * unit).astype(np.float32)
    dwi = to_scaled_integers(images.dwi) if rng.random() < 0.5 else images.dwi
    place = name_case(folder, seed)
    # scenes grow to the right, files to the left
    write_volume(place.dwi, np.ascontiguousarray(dwi[..., ::-1]), grid)
    write_volume(place.adc, np.ascontiguousarray(adc[..., ::-1]), grid)
    if images.flair is not None and place.flair is not None:
        write_volume(place.flair, np.ascontiguousarray(images.flair[..., ::-1]), grid)
    write_volume(place.mask, np.ascontiguousarray(images.lesion[..., ::-1]).astype(np.uint8), grid)
