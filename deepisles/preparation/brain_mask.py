"""A brain mask: onto another image's grid, onto an image, and whether it fits."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from deepisles.case.itk_images import to_image
from deepisles.case.volume import Volume
from deepisles.preparation.coarse import CoarseVolume
from deepisles.preparation.common_grid import SAME_GRID_TOLERANCE_MM

BRIGHT_SHARE_OF_BRAIN = 0.4
"""Bright on DWI: above this share of the brain's median. Tissue is; fluid, bone and fat-suppressed scalp are not."""


def carry_mask(mask: Volume, target: Volume) -> Volume:
    """Resample a mask onto another image's grid, nearest neighbour in physical space, 0 outside its field of view.

    Parameters
    ----------
    mask : Volume
        uint8 {0, 1}, array (z, y, x).
    target : Volume
        The image whose grid is wanted.

    Returns
    -------
    Volume
        uint8 {0, 1} on the target's grid.
    """
    if mask.grid.matches(target.grid, SAME_GRID_TOLERANCE_MM):
        return Volume(mask.array, target.grid)
    carried = sitk.Resample(to_image(mask), to_image(target), sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)
    return target.with_array(sitk.GetArrayFromImage(carried))


def apply_mask(image: Volume, mask: Volume) -> Volume:
    """Set an image's voxels outside a mask on the same grid to exactly 0, whatever the image's pixel type."""
    return image.with_array(np.where(mask.array > 0, image.array, image.array.dtype.type(0)))


def measure_mask_ml(mask: Volume) -> float:
    """Volume of a mask in ml."""
    return float(np.count_nonzero(mask.array)) * mask.grid.voxel_volume_ml


def measure_coverage(mask: Volume, dwi: Volume) -> float:
    """Measure how much of the bright brain that a DWI shows lies inside a mask on its grid, from 0 to 1.

    A mask from an image that lies elsewhere or shows less leaves bright brain outside. Scalp and eyes do not count:
    only the largest bright piece does.
    """
    coarse = CoarseVolume(dwi)
    inside = coarse.look_at(mask.array) > 0
    if not inside.any():
        return 0.0
    bright = coarse.distance > BRIGHT_SHARE_OF_BRAIN * np.median(coarse.distance[inside])
    brain = _keep_largest(ndimage.binary_opening(bright))
    return float(inside[brain].mean()) if brain.any() else 0.0


def _keep_largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(mask & (pieces == sizes.argmax()))
