"""Where grey matter, white matter and fluid lie in an average brain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from deepisles.training.synthesis.scene import SPACING_MM, FloatArray


@dataclass(frozen=True)
class TissueMaps:
    """Shares of tissue in MNI152 space at 2 mm.

    Parameters
    ----------
    shares : numpy.ndarray
        (3, x, y, z) float32: grey matter, white matter, fluid; together 1 inside the brain and 0 outside.
    affine : numpy.ndarray
        4 x 4, index (x, y, z) to MNI152 millimetres.
    """

    shares: FloatArray
    affine: NDArray[np.float64]

    def sample(self, position_mm: FloatArray) -> FloatArray:
        """Sample at MNI152 positions (3, z, y, x), linearly; 0 outside.

        Returns
        -------
        numpy.ndarray
            (3, z, y, x): grey matter, white matter, fluid.
        """
        index = to_index(position_mm, self.affine)
        return np.stack([ndimage.map_coordinates(share, index, order=1, prefilter=False) for share in self.shares])


def to_index(position_mm: FloatArray, affine: NDArray[np.float64]) -> FloatArray:
    """Turn positions (3, ...) in millimetres into indices of an image whose affine has no rotation."""
    scale = np.diag(affine)[:3].reshape(3, *[1] * (position_mm.ndim - 1))
    origin = affine[:3, 3].reshape(scale.shape)
    return np.asarray((position_mm - origin) / scale, dtype=np.float32)


@cache
def load_tissue_maps() -> TissueMaps:
    """Load the ICBM 152 2009a tissue maps that nilearn carries (Fonov et al. 2011), averaged to 2 mm."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template

    grey_image = load_mni152_gm_template(resolution=1)
    grey = np.asarray(grey_image.dataobj, dtype=np.float32)
    white = np.asarray(load_mni152_wm_template(resolution=1).dataobj, dtype=np.float32)
    brain = np.asarray(load_mni152_brain_mask(resolution=1).dataobj, dtype=np.float32)
    brain = ndimage.binary_fill_holes(brain > 0).astype(np.float32)
    # the maps are probabilities of overlapping definitions: cut to the brain, the rest of it is fluid
    grey, white = np.clip(grey, 0, 1) * brain, np.clip(white, 0, 1) * brain
    excess = np.maximum(grey + white, 1)
    grey, white = grey / excess, white / excess
    shares = np.stack([grey, white, brain - grey - white])
    step = int(SPACING_MM)
    whole = [n - n % step for n in grey.shape]
    blocks = shares[:, : whole[0], : whole[1], : whole[2]].reshape(
        3, whole[0] // step, step, whole[1] // step, step, whole[2] // step, step
    )
    affine = np.array(grey_image.affine, dtype=np.float64)
    affine[:3, 3] += np.diag(affine)[:3] * (step - 1) / 2
    affine[:3, :3] *= step
    return TissueMaps(np.ascontiguousarray(blocks.mean(axis=(2, 4, 6))), affine)
