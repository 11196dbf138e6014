"""Linear interpolation on a grid of positions that is the product of one list per axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def interpolate_linearly(image: Tensor, positions: Sequence[NDArray[np.float64]], outside: float) -> Tensor:
    """Sample (channels, a, b, c) linearly at every combination of the positions of three axes.

    Parameters
    ----------
    image : Tensor
        (channels, a, b, c), float32.
    positions : sequence of 3 arrays
        Continuous indices per axis. Up to half a voxel beyond the first and last centre the edge voxel counts.
    outside : float
        Value further out.

    Returns
    -------
    Tensor
        (channels, len(positions[0]), len(positions[1]), len(positions[2])), on the image's device.
    """
    for axis, where in enumerate(positions):
        dim = axis + 1
        last = image.shape[dim] - 1
        inside = np.clip(where, 0, last)
        lower = np.floor(inside).astype(np.int64)
        upper = np.minimum(lower + 1, last)
        view = [1] * image.ndim
        view[dim] = -1
        share = torch.from_numpy((inside - lower).astype(np.float32)).to(image.device).view(view)
        low = image.index_select(dim, torch.from_numpy(lower).to(image.device))
        high = image.index_select(dim, torch.from_numpy(upper).to(image.device))
        image = torch.lerp(low, high, share)
        beyond = (where < -0.5) | (where >= last + 0.5)
        if beyond.any():
            image.index_fill_(dim, torch.from_numpy(np.flatnonzero(beyond)).to(image.device), outside)
    return image
