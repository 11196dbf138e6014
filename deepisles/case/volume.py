"""A 3-D image and its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MM3_PER_ML = 1000.0
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an image lie, in the patient's LPS millimetre space.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels (z, y, x), the shape of the array.
    spacing_mm : tuple of float
        Distance between voxel centres along (x, y, z).
    origin_mm : tuple of float
        Centre of voxel (0, 0, 0), LPS (x, y, z).
    direction : tuple of float
        Direction cosines, 3 x 3 row by row; column k points along index axis k of (x, y, z).
    stored_affine : tuple of float, optional
        The 4 x 4 RAS affine (row by row) exactly as the file's header stores it, where the format has one (NIfTI).
        It differs from `affine_ras` by rounding only, but NVAUTO's resampling is sensitive to that rounding
        (see docs/fidelity.md).
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, float, float, float, float, float, float, float, float]
    stored_affine: tuple[float, ...] | None = None

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(abs(np.linalg.det(self._scaled_direction()))) / MM3_PER_ML

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Field of view along (x, y, z) in mm, voxel edges included."""
        z, y, x = self.shape
        return x * self.spacing_mm[0], y * self.spacing_mm[1], z * self.spacing_mm[2]

    @property
    def affine_lps(self) -> NDArray[np.float64]:
        """4 x 4 matrix from index (x, y, z) to LPS millimetres."""
        affine = np.eye(4)
        affine[:3, :3] = self._scaled_direction()
        affine[:3, 3] = self.origin_mm
        return affine

    @property
    def affine_ras(self) -> NDArray[np.float64]:
        """4 x 4 matrix from index (x, y, z) to RAS millimetres, as NIfTI and nibabel count."""
        if self.stored_affine is not None:
            return np.array(self.stored_affine, dtype=np.float64).reshape(4, 4)
        return np.asarray(LPS_TO_RAS @ self.affine_lps, dtype=np.float64)

    def to_physical_mm(self, index_zyx: NDArray[Any]) -> NDArray[np.float64]:
        """Map indices (..., 3) in (z, y, x) order to LPS millimetres (..., 3) in (x, y, z) order."""
        index_xyz = np.asarray(index_zyx, dtype=np.float64)[..., ::-1]
        return np.asarray(index_xyz @ self._scaled_direction().T + np.asarray(self.origin_mm), dtype=np.float64)

    def matches(self, other: Grid, tolerance_mm: float) -> bool:
        """Whether both grids have the same shape and no voxel centre differs by more than `tolerance_mm`."""
        if self.shape != other.shape:
            return False
        last = np.asarray(self.shape) - 1
        corners = np.array([[z, y, x] for z in (0, last[0]) for y in (0, last[1]) for x in (0, last[2])])
        distance = np.linalg.norm(self.to_physical_mm(corners) - other.to_physical_mm(corners), axis=-1)
        return bool(distance.max() <= tolerance_mm)

    def _scaled_direction(self) -> NDArray[np.float64]:
        cosines = np.array(self.direction, dtype=np.float64).reshape(3, 3)
        return np.asarray(cosines * np.asarray(self.spacing_mm), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D image.

    Parameters
    ----------
    array : numpy.ndarray
        Voxel values (z, y, x), in the pixel type of the file they came from.
    grid : Grid
        Geometry; ``grid.shape`` equals ``array.shape``.

    Raises
    ------
    ValueError
        If the array's shape is not the grid's.
    """

    array: NDArray[Any]
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array of shape {self.array.shape} on a grid of shape {self.grid.shape}")

    def with_array(self, array: NDArray[Any]) -> Volume:
        """Other values on the same grid."""
        return Volume(array, self.grid)


def share_inside(grid: Grid, other: Grid) -> float:
    """Share of the voxel centres of `grid` that lie inside the field of view of `other`, from 0 to 1."""
    index = np.stack(np.meshgrid(*(_sample_axis(n) for n in grid.shape), indexing="ij"), axis=-1)
    homogeneous = np.append(grid.to_physical_mm(index), np.ones((*index.shape[:3], 1)), axis=-1)
    inside_xyz = (homogeneous @ np.linalg.inv(other.affine_lps).T)[..., :3]
    size_xyz = np.array(other.shape[::-1])
    return float(np.mean(np.all((inside_xyz >= -0.5) & (inside_xyz <= size_xyz - 0.5), axis=-1)))


def _sample_axis(voxels: int, most: int = 24) -> NDArray[np.float64]:
    return np.linspace(0, voxels - 1, min(voxels, most))
