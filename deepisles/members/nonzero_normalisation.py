"""Z-scores over the voxels that are not 0, by MONAI 0.9's rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def normalise(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the non-zero voxels of every channel to zero mean and unit deviation; zeros stay zero.

    MONAI 0.9's ``NormalizeIntensity(nonzero=True, channel_wise=True)`` on numpy arrays: float32 throughout.

    Parameters
    ----------
    channels : numpy.ndarray
        (channel, x, y, z).

    Returns
    -------
    numpy.ndarray
        New array of the same shape.
    """
    normalised = channels.copy()
    for channel in normalised:
        inside = channel != 0
        values = channel[inside]
        if values.size:
            deviation = values.std()
            channel[inside] = (values - values.mean()) / (deviation if deviation else np.float32(1))
    return normalised
