"""The part of a grid that the page's viewer shows, turned to RAS and coarsened where it has too many voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepisles.case.volume import LPS_TO_RAS, Grid
from deepisles.reports.axial_view import AxialView, find_axial_view

MARGIN_MM = 9.0
RAS_AXES = (1, 2)
"""Axes of an `AxialView` picture that run against RAS: rows to the back, columns to the left."""


@dataclass(frozen=True)
class CopyGrid:
    """How arrays (z, y, x) of a case become small copies (slice, row, column) whose axes run up, front and right.

    Parameters
    ----------
    grid : Grid
        The case's.
    view : AxialView
        How its axes are turned.
    box : tuple of slice
        What is kept of the turned array, a whole number of blocks along each axis.
    block : tuple of int
        Voxels (slices, rows, columns) that become one.
    """

    grid: Grid
    view: AxialView
    box: tuple[slice, slice, slice]
    block: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of a copy."""
        slices, rows, columns = (
            (part.stop - part.start) // step for part, step in zip(self.box, self.block, strict=True)
        )
        return slices, rows, columns

    def reduce(self, array: NDArray[Any], by: Literal["mean", "max"]) -> NDArray[Any]:
        """Copy an array (z, y, x): each block's mean, or its maximum, by which no lesion gets lost."""
        turned = _turn(self.view, array)
        kept = tuple(slice(part.start, part.stop) for part in self.box)
        inside = turned[kept]
        missing = [(0, part.stop - part.start - size) for part, size in zip(self.box, inside.shape, strict=True)]
        blocks = np.pad(inside, missing, mode="edge").reshape(
            [length for size, step in zip(self.shape, self.block, strict=True) for length in (size, step)]
        )
        return np.asarray(blocks.mean(axis=(1, 3, 5)) if by == "mean" else blocks.max(axis=(1, 3, 5)))

    @property
    def affine_ras(self) -> NDArray[np.float64]:
        """4 x 4 matrix from a copy's index (column, row, slice) to RAS millimetres."""
        corners = np.vstack([np.zeros(3), np.eye(3)])
        turned = np.array([part.start for part in self.box]) + (np.array(self.block) - 1) / 2 + corners * self.block
        places = self.grid.to_physical_mm(self._stored_index(turned)) @ LPS_TO_RAS[:3, :3]
        affine = np.eye(4)
        affine[:3, 3] = places[0]
        affine[:3, :3] = (places[1:] - places[0])[::-1].T
        return affine

    def stored_slice(self, index: int) -> int:
        """Index in storage of the (middle) slice that a copy's slice shows."""
        turned = self.box[0].start + index * self.block[0] + (self.block[0] - 1) // 2
        return self.view.stored_index(min(turned, self.view.slice_count - 1))

    def _stored_index(self, turned: NDArray[np.float64]) -> NDArray[np.float64]:
        """Index (..., 3) in storage (z, y, x) of indices (slice, row, column) in the turned array."""
        stored = np.empty_like(turned)
        for place, (axis, flip) in enumerate(zip(self.view.axes, self.view.flips, strict=True)):
            backwards = flip != (place in RAS_AXES)
            stored[..., axis] = self.grid.shape[axis] - 1 - turned[..., place] if backwards else turned[..., place]
        return stored


def choose_copy_grid(grid: Grid, shown: NDArray[np.bool_], most_voxels: int) -> CopyGrid:
    """Choose the box around what is to be shown (z, y, x), and the finest blocks that leave at most `most_voxels`."""
    view = find_axial_view(grid)
    turned = _turn(view, shown)
    block = [1, 1, 1]
    while True:
        box = tuple(_find_part(turned, axis, view.spacing_mm[axis], block[axis]) for axis in range(3))
        copy = CopyGrid(grid, view, (box[0], box[1], box[2]), (block[0], block[1], block[2]))
        if np.prod(copy.shape) <= most_voxels:
            return copy
        finest = min(range(3), key=lambda axis: (view.spacing_mm[axis] * block[axis], block[axis]))
        block[finest] += 1


def _turn(view: AxialView, array: NDArray[Any]) -> NDArray[Any]:
    return np.flip(view.apply(array), RAS_AXES)


def _find_part(turned: NDArray[np.bool_], axis: int, spacing_mm: float, block: int) -> slice:
    filled = np.flatnonzero(turned.any(axis=tuple({0, 1, 2} - {axis})))
    margin = int(np.ceil(MARGIN_MM / spacing_mm))
    start = max(int(filled[0]) - margin, 0)
    stop = min(int(filled[-1]) + 1 + margin, turned.shape[axis])
    return slice(start, start + -(-(stop - start) // block) * block)
