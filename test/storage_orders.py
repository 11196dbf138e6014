"""A head with a lesion on the patient's left, and its storage in any of the 48 axis orders."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from deepisles.case.volume import Grid

# about 17 degrees about x, columns along the index axes: to the left, to the back, up
OBLIQUE_LPS = (1.0, 0.0, 0.0, 0.0, 0.956, -0.292, 0.0, 0.292, 0.956)
GRID = Grid(shape=(20, 48, 40), spacing_mm=(3.0, 3.5, 6.0), origin_mm=(-58.0, -80.0, -50.0), direction=OBLIQUE_LPS)
ORDERS = list(product(permutations(range(3)), product((False, True), repeat=3)))


def make_head() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Make an ellipsoid with a bright place on the patient's left, and the mask of that place; LPS order."""
    z, y, x = np.indices(GRID.shape, dtype=np.float32)
    head = ((z - 9.5) / 8) ** 2 + ((y - 23.5) / 20) ** 2 + ((x - 19.5) / 17) ** 2 < 1
    lesion = (np.abs(z - 12) < 2) & (np.abs(y - 15) < 4) & (np.abs(x - 28) < 4)
    image = head * (100 + 2 * x + y + 3 * z) + lesion * 200
    return image.astype(np.float32), lesion.astype(np.uint8)


def store(array: NDArray[np.generic], order: tuple[int, ...], flips: tuple[bool, ...]) -> NDArray[np.generic]:
    """Store an array with other axis order and directions."""
    return np.ascontiguousarray(np.flip(np.transpose(array, order), [axis for axis in range(3) if flips[axis]]))


def store_grid(grid: Grid, order: tuple[int, ...], flips: tuple[bool, ...]) -> Grid:
    """Give the geometry that belongs to `store`."""
    shape = tuple(grid.shape[axis] for axis in order)
    direction = np.array(grid.direction).reshape(3, 3)
    # index axis k of (x, y, z) is array axis 2 - k
    columns = [2 - order[2 - k] for k in range(3)]
    signs = [-1.0 if flips[2 - k] else 1.0 for k in range(3)]
    first = np.zeros(3)
    for axis in range(3):
        first[order[axis]] = shape[axis] - 1 if flips[axis] else 0
    return Grid(
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=tuple(grid.spacing_mm[k] for k in columns),
        origin_mm=tuple(grid.to_physical_mm(first).tolist()),
        direction=tuple((direction[:, columns] * signs).ravel().tolist()),
    )
