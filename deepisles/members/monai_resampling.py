"""Resampling by the rules of MONAI 0.9 (`Spacing`, `SpatialResample`), which NVAUTO was trained and run with.

Later MONAI versions put the new grid elsewhere on oblique images. The arithmetic is part of the result: affines are
rounded to float32, which leaves position errors of about 1e-8, and even the rounding dust of the solve (1e-18) moves
some; so background voxels beside a skull-stripped brain come out as up to 1e-6 instead of 0, and the normalisation that
follows counts them as brain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from monai.data.utils import zoom_affine
from monai.networks.layers import AffineTransform
from numpy.typing import NDArray
from torch import Tensor

from deepisles.members.fused_solve import solve_fused

SAME_AFFINE_TOLERANCE = 1e-3
"""Affines whose entries differ by less, with equal sizes, are not resampled (MONAI 0.9, SpatialResample)."""


@dataclass(frozen=True)
class Resampling:
    """One resampling step: from a grid to another with the same axes.

    Parameters
    ----------
    affine : numpy.ndarray
        4 x 4 RAS affine of the new grid, float32; index order (x, y, z).
    shape : tuple of int
        Size of the new grid (x, y, z).
    position : numpy.ndarray
        4 x 4 map from new indices to old ones, float32.
    identity : bool
        Whether old and new grid count as the same, so that nothing is done.
    """

    affine: NDArray[np.float32]
    shape: tuple[int, ...]
    position: NDArray[np.float32]
    identity: bool

    def apply(self, image: Tensor) -> Tensor:
        """Resample (channels, x, y, z) linearly, the border voxel beyond the border; float64 inside, float32 out."""
        if self.identity:
            return image.float()
        transform = AffineTransform(
            normalized=False, mode="bilinear", padding_mode="border", align_corners=False, reverse_indexing=True
        )
        theta = torch.from_numpy(self.position.astype(np.float64)).to(image.device)
        resampled: Tensor = transform(image.double()[None], theta=theta, spatial_size=self.shape)[0]
        return resampled.float()


def plan_resampling(
    affine: NDArray[np.floating],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, ...],
    new_shape: tuple[int, ...] | None = None,
) -> Resampling:
    """Find the grid with the same axes and first voxel, and another spacing.

    Parameters
    ----------
    affine : numpy.ndarray
        4 x 4 RAS affine of the image.
    shape : tuple of int
        Its size (x, y, z).
    spacing_mm : tuple of float
        New spacing.
    new_shape : tuple of int, optional
        Size of the new grid; by default it covers the centres of the outermost voxels, rounded half to even.
    """
    source = np.asarray(affine, dtype=np.float64)
    target = zoom_affine(source, spacing_mm, diagonal=False)
    target[:3, 3] = source[:3, 3]
    if new_shape is None:
        corners = np.stack(np.meshgrid(*((0.0, n - 1.0) for n in shape), indexing="ij")).reshape(3, -1)
        corners = source @ np.vstack([corners, np.ones(corners.shape[1])])
        extent = np.ptp((np.linalg.inv(target) @ corners)[:3], axis=1)
        new_shape = tuple(int(n) for n in np.round(extent + 1.0))
    rounded = target.astype(np.float32)
    # NumPy's solve of float32 matrices, which MONAI calls: in float64 inside, rounded to float32
    position = solve_fused(source.astype(np.float32).astype(np.float64), rounded.astype(np.float64)).astype(np.float32)
    same = np.allclose(source, rounded, atol=SAME_AFFINE_TOLERANCE) and tuple(shape) == new_shape
    return Resampling(rounded, new_shape, position, same)


def invert_resampling(done: Resampling, affine: NDArray[np.floating], shape: tuple[int, ...]) -> Resampling:
    """Plan the way back to the original grid of `affine` and `shape`, as MONAI 0.9's `Spacingd.inverse` does.

    The spacing to return to is the length of the affine's columns; a shear is not restored.
    """
    columns = np.asarray(affine, dtype=np.float64)[:3, :3]
    spacing = tuple(float(s) for s in np.sqrt(np.sum(np.square(columns), axis=0)))
    back = plan_resampling(done.affine, done.shape, spacing, shape)
    return Resampling(back.affine, back.shape, back.position, done.identity)
