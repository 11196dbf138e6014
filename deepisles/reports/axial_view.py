"""Any storage order as axial pictures in radiological convention."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepisles.case.volume import Grid

UP, BACK, LEFT = 2, 1, 0
"""Rows of an LPS direction matrix: x to the patient's left, y to the back, z up."""
DISPLAY_AXES = (UP, BACK, LEFT)


@dataclass(frozen=True)
class AxialView:
    """How an array (z, y, x) turns into axial pictures: a permutation and flips, no interpolation.

    Parameters
    ----------
    axes : tuple of int
        The array's axes that run most nearly up, to the back and to the left, in this order.
    flips : tuple of bool
        Whether each of these runs the other way.
    spacing_mm : tuple of float
        Distance between (slices, rows, columns).
    slice_axis : str
        "x", "y" or "z": the index axis that the slices are counted along.
    slice_count : int
        Number of slices.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    spacing_mm: tuple[float, float, float]
    slice_axis: str
    slice_count: int

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """Show an array (z, y, x) as (slice from below, row from the front, column from the patient's right)."""
        turned = np.transpose(array, self.axes)
        return np.flip(turned, tuple(axis for axis, flip in enumerate(self.flips) if flip))

    def stored_index(self, slice_index: int) -> int:
        """Index along `slice_axis` in storage of a displayed slice."""
        return self.slice_count - 1 - slice_index if self.flips[0] else slice_index

    def describe_slice(self, slice_index: int) -> str:
        """Name a displayed slice by its index in storage: ``"z 24"``."""
        return f"{self.slice_axis} {self.stored_index(slice_index)}"


def find_axial_view(grid: Grid) -> AxialView:
    """Find the view nearest to axial, seen from the feet: the patient's right is on the left of the picture."""
    direction = np.array(grid.direction, dtype=np.float64).reshape(3, 3)
    index_axes = max(
        permutations(range(3)),
        key=lambda order: sum(abs(direction[towards, axis]) for towards, axis in zip(DISPLAY_AXES, order, strict=True)),
    )
    up, back, left = index_axes
    return AxialView(
        axes=(2 - up, 2 - back, 2 - left),
        flips=(bool(direction[UP, up] < 0), bool(direction[BACK, back] < 0), bool(direction[LEFT, left] < 0)),
        spacing_mm=(grid.spacing_mm[up], grid.spacing_mm[back], grid.spacing_mm[left]),
        slice_axis="xyz"[up],
        slice_count=grid.shape[2 - up],
    )
