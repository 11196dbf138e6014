"""From DWI and ADC on their own grid to the input that `deepisles train`'s small SEALS is trained on, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepisles.members.axis_resampling import resample_back, resample_to
from deepisles.members.nnunet_preprocessing import NetworkInput, bounding_box
from deepisles.members.nonzero_normalisation import normalise


def make_axes_input(
    dwi: NDArray[np.generic], adc: NDArray[np.generic], spacing_mm: Sequence[float], target_mm: Sequence[float]
) -> NetworkInput:
    """Resample along the image's axes, normalise over what is not 0, and crop to it.

    The steps are those of `deepisles.training.examples.prepare_example`.

    Parameters
    ----------
    dwi, adc : numpy.ndarray
        (z, y, x), on the DWI's grid.
    spacing_mm, target_mm : sequence of float
        Of that grid and of the networks, (z, y, x).

    Returns
    -------
    NetworkInput
        Its box lies in the resampled volume; for images that are zero everywhere it is the whole of it.
    """
    native = torch.from_numpy(np.stack([dwi.astype(np.float32), adc.astype(np.float32)]))[None]
    channels = normalise(resample_to(native, spacing_mm, target_mm)[0].numpy())
    box = bounding_box(np.any(channels != 0, axis=0))
    return NetworkInput(np.ascontiguousarray(channels[:, *box]), box)


def undo_axes_resampling(probability: Tensor, shape: Sequence[int]) -> Tensor:
    """Bring probabilities (2, z, y, x) back to the DWI's grid of that shape."""
    return resample_back(probability[None], shape)[0]
