"""From 1 mm DWI and ADC to an nnU-Net's input, by nnU-Net v1's rules, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes
from torch import Tensor

from deepisles.members.settings import SealsSettings

NORMALISATION_EPSILON = 1e-8
"""Added to the standard deviation (nnU-Net v1, GenericPreprocessor)."""
INPUT_SPACING_MM = (1.0, 1.0, 1.0)
"""Spacing of the images that come in."""
DATA_ORDER, PROBABILITY_ORDER, ORDER_ACROSS_SLICES = 3, 1, 0
"""Spline orders of nnU-Net v1: of images, of probabilities on the way back, across slices of anisotropic data."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class NetworkInput:
    """What the networks see, and how to get back.

    Parameters
    ----------
    array : numpy.ndarray
        (2, a, b, c) float32: DWI and ADC, cropped, in the networks' axis order and spacing, normalised.
    box : tuple of slice
        Where the crop lies in the 1 mm volume, (z, y, x).
    """

    array: NDArray[np.float32]
    box: Box


def make_network_input(dwi: NDArray[np.generic], adc: NDArray[np.generic], settings: SealsSettings) -> NetworkInput:
    """Crop to the non-zero box, bring to the networks' spacing and normalise.

    Parameters
    ----------
    dwi, adc : numpy.ndarray
        1 mm images (z, y, x).
    settings : SealsSettings
        The plans.

    Returns
    -------
    NetworkInput
        For images that are zero everywhere the box is the whole volume.
    """
    channels = np.stack([dwi.astype(np.float32), adc.astype(np.float32)])
    brain = np.asarray(binary_fill_holes(np.any(channels != 0, axis=0)))
    box = bounding_box(brain)
    order = settings.transpose
    cropped = np.nan_to_num(channels[:, *box], copy=False).transpose(0, *(axis + 1 for axis in order))
    mask = brain[box].transpose(order)
    shape = _network_shape(cropped.shape[1:], settings)
    if shape != cropped.shape[1:]:
        cropped = _resample(cropped, shape, INPUT_SPACING_MM, settings.spacing_mm, DATA_ORDER)
        mask = _resample(mask[None].astype(np.float32), shape, INPUT_SPACING_MM, settings.spacing_mm, 1)[0] > 0.5
    normalised = normalise(cropped, mask, settings.mask_normalisation)
    return NetworkInput(np.ascontiguousarray(normalised), box)


def undo_network_input(probability: Tensor, prepared: NetworkInput, settings: SealsSettings) -> Tensor:
    """Bring probabilities (2, a, b, c) back to the crop's 1 mm voxels (2, z, y, x)."""
    order = settings.transpose
    cropped_shape = tuple(part.stop - part.start for part in prepared.box)
    shape = tuple(cropped_shape[axis] for axis in order)
    if tuple(probability.shape[1:]) != shape:
        array = probability.cpu().numpy()
        resampled = _resample(array, shape, settings.spacing_mm, INPUT_SPACING_MM, PROBABILITY_ORDER)
        probability = torch.from_numpy(resampled).to(probability.device)
    return probability.permute(0, *(order.index(axis) + 1 for axis in range(3)))


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """Smallest box (z, y, x) around the true voxels; the whole volume where there are none."""
    if not mask.any():
        return (slice(0, mask.shape[0]), slice(0, mask.shape[1]), slice(0, mask.shape[2]))
    sides = []
    for axis in range(3):
        present = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        sides.append(slice(int(present[0]), int(present[-1]) + 1))
    return (sides[0], sides[1], sides[2])


def normalise(
    channels: NDArray[np.float32], mask: NDArray[np.bool_], mask_normalisation: tuple[bool, ...]
) -> NDArray[np.float32]:
    """Z-score each channel, (channels, a, b, c) in float32.

    Over the mask, with 0 outside, where `mask_normalisation` says so for the channel; else over the whole crop.
    """
    result = channels.copy()
    for channel, over_mask in zip(result, mask_normalisation, strict=True):
        if over_mask:
            inside = channel[mask]
            channel[mask] = (inside - inside.mean()) / (inside.std() + NORMALISATION_EPSILON)
            channel[~mask] = 0
        else:
            channel[...] = (channel - channel.mean()) / (channel.std() + NORMALISATION_EPSILON)
    return result


def _network_shape(shape: tuple[int, ...], settings: SealsSettings) -> tuple[int, ...]:
    return tuple(
        int(np.round(spacing / target * n))
        for n, spacing, target in zip(shape, INPUT_SPACING_MM, settings.spacing_mm, strict=True)
    )


def _resample(
    data: NDArray[np.float32],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    new_spacing_mm: tuple[float, float, float],
    order: int,
) -> NDArray[np.float32]:
    resampled = resample_data_or_seg_to_shape(
        data, shape, spacing_mm, new_spacing_mm, is_seg=False, order=order, order_z=ORDER_ACROSS_SLICES
    )
    return np.asarray(resampled, dtype=np.float32)
