"""SEALS in the original's way: every fold prepares, predicts and stores by itself, and is brought back by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from numpy.typing import NDArray
from torch import Tensor, nn

from deepisles.bench.original_way.clock import NetworkClock
from deepisles.case.volume import Grid, Volume
from deepisles.members.axes_preprocessing import make_axes_input, undo_axes_resampling
from deepisles.members.axis_resampling import find_resampled_size
from deepisles.members.nnunet_preprocessing import Box, NetworkInput, make_network_input, undo_network_input
from deepisles.members.seals import BACKGROUND, LESION, list_starts, paste, sample_native
from deepisles.members.settings import SealsSettings
from deepisles.members.windows import pad_to_window


def predict_fold(
    network: nn.Module, dwi: Volume, adc: Volume, settings: SealsSettings, clock: NetworkClock, path: Path
) -> None:
    """Predict one fold and store its softmax (2, z, y, x) of the brain's box, in 16 bits, with the box.

    Parameters
    ----------
    network : nn.Module
        (1, 2, z, y, x) to logits (1, 2, z, y, x), on the clock's device.
    dwi, adc : Volume
        At 1 mm, or on their own grid where the settings resample along axes.
    settings : SealsSettings
        The plans.
    clock : NetworkClock
        Runs the network.
    path : Path
        Where; .npz.
    """
    prepared = _prepare(dwi, adc, settings)
    probability = torch.from_numpy(_slide(network, prepared.array, settings, clock))
    if settings.resampling == "nnunet":
        probability = undo_network_input(probability, prepared, settings)
    box = np.array([(side.start, side.stop) for side in prepared.box])
    # compressed, as nnU-Net v1 does
    np.savez_compressed(path, softmax=probability.numpy().astype(np.float16), box=box)


def bring_back(path: Path, isotropic: Grid, native: Grid, settings: SealsSettings) -> None:
    """Bring one fold's stored softmax to the DWI's grid, stored as float32 (2, z, y, x) beside it."""
    with np.load(path, allow_pickle=False) as stored:
        cropped = torch.from_numpy(stored["softmax"].astype(np.float32))
        z, y, x = (slice(int(start), int(stop)) for start, stop in stored["box"])
    box: Box = (z, y, x)
    spacing_mm = native.spacing_mm[::-1]
    if settings.resampling == "axes":
        size = find_resampled_size(native.shape, spacing_mm, settings.spacing_mm)
        probability = undo_axes_resampling(paste(cropped, box, size), native.shape)
    else:
        probability = sample_native(paste(cropped, box, isotropic.shape), native.shape, spacing_mm)
    np.savez(native_path(path), softmax=probability.numpy())


def average_folds(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Average the folds on the DWI's grid; a tie is background."""
    folds: list[NDArray[np.float32]] = []
    for path in paths:
        with np.load(native_path(path), allow_pickle=False) as stored:
            folds.append(stored["softmax"])
    mean = np.stack(folds).mean(axis=0)
    mask: NDArray[np.uint8] = (mean[LESION] > mean[BACKGROUND]).astype(np.uint8)
    return mask


def native_path(path: Path) -> Path:
    """Name the file of a fold on the DWI's grid."""
    return path.with_name(f"{path.stem}_native.npz")


def _prepare(dwi: Volume, adc: Volume, settings: SealsSettings) -> NetworkInput:
    if settings.resampling == "axes":
        return make_axes_input(dwi.array, adc.array, dwi.grid.spacing_mm[::-1], settings.spacing_mm)
    return make_network_input(dwi.array, adc.array, settings)


def _slide(
    network: nn.Module, array: NDArray[np.float32], settings: SealsSettings, clock: NetworkClock
) -> NDArray[np.float32]:
    """Predict (2, a, b, c) window by window, mirror after mirror, summed in the host's memory."""
    patch = settings.patch_size
    padding = pad_to_window(array.shape[1:], patch)
    image = padding.apply(torch.from_numpy(array))
    size = (image.shape[1], image.shape[2], image.shape[3])
    starts = list_starts(size, patch, settings.step)
    weight = torch.ones(patch)
    if len(starts) > 1:
        weight = compute_gaussian(patch, value_scaling_factor=1, dtype=torch.float32, device=torch.device("cpu"))
    weight_on_device = weight.to(clock.device)
    total, weight_sum = torch.zeros((2, *size)), torch.zeros(size)
    for start in starts:
        a, b, c = (slice(first, first + side) for first, side in zip(start, patch, strict=True))
        answer = _mirror(network, image[None, :, a, b, c].to(clock.device), settings.mirror_axes, clock)
        total[:, a, b, c] += (answer * weight_on_device)[0].cpu()
        weight_sum[a, b, c] += weight
    blended: NDArray[np.float32] = (padding.remove(total) / padding.remove(weight_sum)).numpy()
    return blended


def _mirror(network: nn.Module, window: Tensor, axes: Sequence[int], clock: NetworkClock) -> Tensor:
    """Average the softmax over every combination of flips, one forward each."""
    flips = [[axis + 2 for axis in chosen] for n in range(len(axes) + 1) for chosen in combinations(axes, n)]
    answers = (clock.call(network, window.flip(dims)).float().softmax(dim=1).flip(dims) for dims in flips)
    return reduce(torch.add, (answer / len(flips) for answer in answers))
