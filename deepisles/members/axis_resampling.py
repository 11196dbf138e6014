"""Resampling along an image's own axes, whatever their directions, by the original SWAN's rule (src/FACTORIZER)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional


def find_resampled_size(
    size: Sequence[int], spacing_mm: Sequence[float], target_mm: Sequence[float]
) -> tuple[int, int, int]:
    """Find how many voxels of `target_mm` an image has along (x, y, z); its own size where the spacings agree.

    The original rounds half to even, in float32, and takes spacings as equal within numpy's `allclose`.
    """
    spacing, target = np.asarray(spacing_mm, dtype=np.float32), np.asarray(target_mm, dtype=np.float32)
    if np.allclose(spacing, target):
        return int(size[0]), int(size[1]), int(size[2])
    x, y, z = np.maximum(np.round(np.asarray(size, dtype=np.float32) * spacing / target), 1).astype(int)
    return int(x), int(y), int(z)


def resample_to(image: Tensor, spacing_mm: Sequence[float], target_mm: Sequence[float]) -> Tensor:
    """Bring (1, channels, x, y, z) to the target spacing, trilinearly and without antialiasing."""
    return resample_back(image, find_resampled_size(image.shape[2:], spacing_mm, target_mm))


def resample_back(image: Tensor, size: Sequence[int]) -> Tensor:
    """Bring (1, channels, x, y, z) to a size, trilinearly; voxel centres by the ratio of the sizes."""
    if tuple(image.shape[2:]) == tuple(size):
        return image
    return functional.interpolate(image, size=tuple(size), mode="trilinear", align_corners=False)
