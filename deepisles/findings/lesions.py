"""The lesions of a mask, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label, regionprops

from deepisles.case.volume import Grid

FULL_CONNECTIVITY = 3
"""skimage's name for 26 neighbours: voxels that share a face, an edge or a corner are one lesion (ISLES'22)."""


@dataclass(frozen=True)
class Lesion:
    """One 26-connected component of the mask.

    Parameters
    ----------
    label : int
        From 1, largest first.
    volume_ml : float
        Voxels times voxel volume.
    centroid_mm : tuple of float
        Mean voxel centre, LPS (x, y, z).
    start, stop : tuple of int
        Bounding box: first voxel, and one past the last, index order (x, y, z).
    slices : tuple of int
        Indices along z that the lesion touches.
    mean_probability : float
        Mean of the ensemble's probability.
    votes : dict
        Per member that ran: share of the lesion's voxels that it calls lesion.
    mean_dwi, mean_adc : float
        In the images' own units.
    """

    label: int
    volume_ml: float
    centroid_mm: tuple[float, float, float]
    start: tuple[int, int, int]
    stop: tuple[int, int, int]
    slices: tuple[int, ...]
    mean_probability: float
    votes: dict[str, float]
    mean_dwi: float
    mean_adc: float


def measure_volume_ml(mask: NDArray[Any], grid: Grid) -> float:
    """Volume of the non-zero voxels of a mask (z, y, x) in ml."""
    return int(np.count_nonzero(mask)) * grid.voxel_volume_ml


def label_lesions(mask: NDArray[Any]) -> NDArray[np.int32]:
    """Give the 26-connected components of a mask (z, y, x) numbers from 1, largest first; equals keep scan order."""
    components = label(mask > 0, connectivity=FULL_CONNECTIVITY)
    sizes = np.bincount(components.ravel())
    by_size = np.argsort(-sizes[1:], kind="stable")
    new_label = np.zeros(len(sizes), dtype=np.int32)
    new_label[by_size + 1] = np.arange(1, len(sizes))
    return np.asarray(new_label[components], dtype=np.int32)


def list_lesions(
    mask: NDArray[np.uint8],
    grid: Grid,
    probability: NDArray[np.float32],
    member_masks: Mapping[str, NDArray[np.uint8]],
    dwi: NDArray[Any],
    adc: NDArray[Any],
) -> tuple[Lesion, ...]:
    """Describe every lesion of a mask, largest first.

    Parameters
    ----------
    mask : numpy.ndarray
        (z, y, x), non-zero is lesion.
    grid : Grid
        Its geometry.
    probability, dwi, adc : numpy.ndarray
        Ensemble probability and images on the same grid.
    member_masks : mapping
        Mask per member that ran.
    """
    lesions = []
    for region in regionprops(label_lesions(mask)):
        voxels = region.coords
        at = tuple(voxels.T)
        z0, y0, x0, z1, y1, x1 = region.bbox
        x_mm, y_mm, z_mm = grid.to_physical_mm(voxels.mean(axis=0))
        lesions.append(
            Lesion(
                label=int(region.label),
                volume_ml=len(voxels) * grid.voxel_volume_ml,
                centroid_mm=(float(x_mm), float(y_mm), float(z_mm)),
                start=(x0, y0, z0),
                stop=(x1, y1, z1),
                slices=tuple(int(z) for z in np.unique(voxels[:, 0])),
                mean_probability=float(probability[at].mean(dtype=np.float64)),
                votes={name: float((member[at] > 0).mean()) for name, member in member_masks.items()},
                mean_dwi=float(dwi[at].mean(dtype=np.float64)),
                mean_adc=float(adc[at].mean(dtype=np.float64)),
            )
        )
    return tuple(lesions)
