"""A volume seen coarsely, by what stands out from its background: enough to tell what it shows, in milliseconds."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from deepisles.case.volume import MM3_PER_ML, Volume

STEP_MM = 4.0
"""Distance between the voxels that are looked at: scalp and skull together are about a centimetre thick."""
BRIGHT_PERCENTILE = 98.0
"""The bright level of an image; a brain fills 8 % of the largest field of view in use (256 mm cubed)."""
SIGNAL_SHARE = 0.03
"""What differs from the background by less than this share of the bright level is background: interpolation dust and
faint noise lie below, scalp under the strongest fat suppression seen (5 %) above."""
LEAST_PIECE_ML = 2.0
"""Smaller pieces are noise."""
CLOSING_MM = 6.1
"""Gaps in a thin scalp that are closed; reaches the diagonal neighbours on a 4 mm grid."""


class CoarseVolume:
    """Every n-th voxel of a volume, by default about 4 mm apart, as distances from its background value.

    Parameters
    ----------
    volume : Volume
        Array (z, y, x).
    step_mm : float
        Distance between the voxels that are looked at, as near as whole voxels come.

    Attributes
    ----------
    values : numpy.ndarray
        The voxels looked at, float32 (z, y, x).
    distance : numpy.ndarray
        value - background, or background - value where most voxels lie below it. The background is the median along
        the twelve edges of the field of view: there is air, even around a tightly cropped or a cut head.
    spacing_mm : tuple of float
        Along (z, y, x), the array's order.
    """

    def __init__(self, volume: Volume, step_mm: float = STEP_MM) -> None:
        spacing_zyx = volume.grid.spacing_mm[::-1]
        strides = [
            max(1, min(round(step_mm / spacing), side // 2))
            for spacing, side in zip(spacing_zyx, volume.grid.shape, strict=True)
        ]
        self._view = tuple(slice(stride // 2, None, stride) for stride in strides)
        self.spacing_mm = tuple(stride * spacing for stride, spacing in zip(strides, spacing_zyx, strict=True))
        self.values: NDArray[np.float32] = self.look_at(volume.array).astype(np.float32)
        above = self.values - np.median(self.values[_edges(self.values.shape)])
        reach = SIGNAL_SHARE * np.abs(above).max()
        # cubic resampling rings to the background's other side, beside a brain and a slice beyond it
        self.distance: NDArray[np.float32] = above if (above > reach).sum() >= (above < -reach).sum() else -above

    def look_at(self, array: NDArray[Any]) -> NDArray[Any]:
        """Take the same voxels of another array (z, y, x) on the volume's grid."""
        return array[self._view]

    @property
    def voxel_ml(self) -> float:
        """Volume of one coarse voxel in ml."""
        return float(np.prod(self.spacing_mm)) / MM3_PER_ML

    @cached_property
    def signal(self) -> NDArray[np.bool_]:
        """What stands out from the background (z, y, x), small pieces left out."""
        bright = float(np.percentile(self.distance, BRIGHT_PERCENTILE)) or float(self.distance.max())
        pieces, _ = ndimage.label(self.distance > SIGNAL_SHARE * bright, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        return np.asarray((sizes >= max(2.0, LEAST_PIECE_ML / self.voxel_ml))[pieces])

    @cached_property
    def body(self) -> NDArray[np.bool_]:
        """All inside the outermost signal (z, y, x): the head, or the brain where there is no head."""
        ball = self._make_ball(CLOSING_MM)
        margins = [(side // 2, side // 2) for side in ball.shape]
        closed = ndimage.binary_closing(np.pad(self.signal, margins), ball)
        closed = closed[tuple(slice(n, n + side) for (n, _), side in zip(margins, self.signal.shape, strict=True))]
        body = closed.copy()
        # plane by plane along each axis: a head that the field of view cuts open is closed in two of the three
        for axis in range(3):
            for plane, filled in zip(np.moveaxis(closed, axis, 0), np.moveaxis(body, axis, 0), strict=True):
                filled |= ndimage.binary_fill_holes(plane)
        return np.asarray(body)

    @cached_property
    def around(self) -> NDArray[np.bool_]:
        """The body and what lies within the closing's reach of it (z, y, x)."""
        return np.asarray(ndimage.binary_dilation(self.body, self._make_ball(CLOSING_MM)))

    def _make_ball(self, radius_mm: float) -> NDArray[np.bool_]:
        # coarse voxels are 2.7 mm wide at least, except in images of a few millimetres
        reach = [min(int(radius_mm / spacing), 2) for spacing in self.spacing_mm]
        offsets = np.ogrid[tuple(slice(-n, n + 1) for n in reach)]
        squares = sum((offset * spacing) ** 2 for offset, spacing in zip(offsets, self.spacing_mm, strict=True))
        return np.asarray(squares <= radius_mm**2)


def _edges(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the voxels that lie at an end of at least two axes."""
    ends = [(index == 0) | (index == side - 1) for index, side in zip(np.indices(shape), shape, strict=True)]
    return np.asarray(np.sum(ends, axis=0) >= 2)
