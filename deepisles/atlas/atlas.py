"""An atlas of arterial territories, opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepisles.atlas.known import HIGHEST_LABEL, MEANINGS, Labels
from deepisles.case.decoder import ImageDecoder
from deepisles.case.reading import read_volume
from deepisles.case.volume import Volume
from deepisles.errors import AtlasError, DeepIslesError
from deepisles.findings.territory import territory_code

LEAST_EXTENT_MM = 100.0
"""An atlas of the brain covers more than this along each axis, around MNI's origin."""


@dataclass(frozen=True)
class Atlas:
    """An atlas in MNI152 space.

    Parameters
    ----------
    codes : Volume
        uint8 (z, y, x): the numbers of `findings.territory.territory_code`, 0 where there is no territory.
    name : str
        As the report writes it.
    sha256 : str
        Digest of the file it was read from.
    """

    codes: Volume
    name: str
    sha256: str


def read_codes(path: Path, labels: Labels, decoder: ImageDecoder | None = None) -> Volume:
    """Read an atlas file, and give its labels this program's numbers.

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz file in MNI152 space.
    labels : str
        What its numbers mean.
    decoder : ImageDecoder, optional
        Who decodes it; by default a child process, since it comes from elsewhere.

    Raises
    ------
    AtlasError
        If it cannot be read, or is no such atlas.
    """
    try:
        volume = read_volume(path, "atlas", decoder=decoder)
    except DeepIslesError as error:
        raise AtlasError(str(error)) from error
    numbers = set(np.unique(volume.array).tolist())
    wanted = set(MEANINGS[labels])
    if not wanted <= numbers or not numbers <= set(range(HIGHEST_LABEL[labels] + 1)):
        raise AtlasError(
            f"The atlas does not hold the labels of {labels}, 1 to {HIGHEST_LABEL[labels]}: "
            f"give the file of the JHU arterial atlas, or say with --labels which it is."
        )
    if min(volume.grid.extent_mm) < LEAST_EXTENT_MM:
        raise AtlasError("The atlas does not cover a brain: give one in MNI152 space, in millimetres.")
    is_left = lies_left(volume)
    codes = np.zeros(volume.array.shape, np.uint8)
    for label, (territory, side) in MEANINGS[labels].items():
        here = volume.array == label
        if side is not None:
            codes[here] = territory_code(territory, side)
        else:
            codes[here & is_left] = territory_code(territory, "left")
            codes[here & ~is_left] = territory_code(territory, "right")
    return volume.with_array(codes)


def lies_left(volume: Volume) -> NDArray[Any]:
    """Tell for every voxel (z, y, x) whether it lies in the left half of the brain; the midline plane does."""
    affine = volume.grid.affine_lps
    z, y, x = (np.arange(n) for n in volume.grid.shape)
    # LPS: x grows toward the patient's left
    along_x, along_y, along_z, start = affine[0]
    position: NDArray[Any] = (
        start + along_z * z[:, None, None] + along_y * y[None, :, None] + along_x * x[None, None, :] >= 0
    )
    return position
