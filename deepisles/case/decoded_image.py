"""What decoding an image file gives, or why it gives nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

Trouble = Literal["damaged", "oblique", "memory"]
"""ITK cannot read the image, its axes are not at right angles, or memory ran out."""


@dataclass(frozen=True)
class DecodedImage:
    """What ITK read.

    Parameters
    ----------
    array : numpy.ndarray
        Voxels (z, y, x), or (t, z, y, x) where the header states four axes.
    spacing_mm, origin_mm : tuple of float
        Along the first three axes (x, y, z), LPS.
    direction : tuple of float
        Direction cosines of the first three axes, 3 x 3 row by row.
    """

    array: NDArray[Any]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, float, float, float, float, float, float, float, float]


class DecodingError(Exception):
    """The image cannot be decoded.

    Parameters
    ----------
    trouble : str
        Why.
    """

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble
