"""A case made larger with content of its own, to see how time and memory grow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepisles.case.case import Case
from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_case
from deepisles.case.volume import Grid
from deepisles.errors import InputRefused
from deepisles.preparation.common_grid import resample_onto
from deepisles.preparation.prepare import share_grid
from deepisles.reports.images import write_volume

TILES: dict[int, tuple[int, int, int]] = {1: (1, 1, 1), 2: (2, 1, 1), 4: (2, 2, 1)}
"""How often a case is laid beside itself along (z, y, x), by how many times the voxels it has then."""


def read_aligned(files: CaseFiles) -> Case:
    """Read a case, ADC and FLAIR brought to the DWI's grid by their headers.

    Raises
    ------
    InputRefused, GeometryError
        If an image cannot be used.
    """
    case = share_grid(read_case(files))
    return case if case.flair is None else replace(case, flair=resample_onto(case.dwi, case.flair))


def write_larger(case: Case, times: int, folder: Path) -> CaseFiles:
    """Lay a case beside its mirror image until it has so many times the voxels, and write it.

    Parameters
    ----------
    case : Case
        Its images on one grid.
    times : int
        1, 2 (along z) or 4 (along z and y).
    folder : Path
        Where dwi.nii.gz, adc.nii.gz and, where there is one, flair.nii.gz go.

    Raises
    ------
    InputRefused
        If `times` is another number.
    """
    if times not in TILES:
        raise InputRefused(f"A case can be made {', '.join(map(str, TILES))} times as large, not {times}.")
    written: dict[str, Path] = {}
    for name, volume in (("dwi", case.dwi), ("adc", case.adc), ("flair", case.flair)):
        if volume is not None:
            array = _mirror_on(volume.array, TILES[times])
            written[name] = folder / f"{name}.nii.gz"
            write_volume(written[name], array, _enlarge(volume.grid, array.shape))
    return CaseFiles(written["dwi"], written["adc"], written.get("flair"))


def _mirror_on(array: NDArray[Any], tiles: tuple[int, int, int]) -> NDArray[Any]:
    """Continue an array beyond its ends by its mirror image, the first voxel staying the first."""
    widths = [(0, side * (count - 1)) for side, count in zip(array.shape, tiles, strict=True)]
    return np.pad(array, widths, mode="symmetric")


def _enlarge(grid: Grid, shape: tuple[int, ...]) -> Grid:
    return replace(grid, shape=(shape[0], shape[1], shape[2]))
