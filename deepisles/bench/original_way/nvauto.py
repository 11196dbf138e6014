"""NVAUTO in the original's way: a network after the other, two windows a call, each brought back by itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepisles.bench.original_way.clock import NetworkClock
from deepisles.case.volume import Volume
from deepisles.members.monai_resampling import invert_resampling, plan_resampling
from deepisles.members.nvauto import BACKGROUND, LESION, make_gaussian_weight, normalise_nonzero, to_storage_order
from deepisles.members.settings import NvautoSettings
from deepisles.members.windows import list_dense_starts, pad_to_window

WINDOWS_PER_CALL = 2


def segment(
    networks: Iterable[nn.Module], dwi: Volume, adc: Volume, settings: NvautoSettings, clock: NetworkClock
) -> NDArray[np.uint8]:
    """Segment a case; the mask (z, y, x) on the DWI's grid, a tie being background.

    Parameters
    ----------
    networks : iterable of nn.Module
        (batch, 2, x, y, z) to logits of that shape, channels ADC, DWI; taken one by one.
    dwi, adc : Volume
        On the DWI's grid.
    settings : NvautoSettings
        Window, overlap and spacing.
    clock : NetworkClock
        Runs the networks.
    """
    native = torch.stack([to_storage_order(adc.array), to_storage_order(dwi.array)])
    shape = tuple(native.shape[1:])
    affine = dwi.grid.affine_ras
    forward = plan_resampling(affine, shape, settings.spacing_mm)
    image = normalise_nonzero(forward.apply(native)).to(clock.device)
    back = invert_resampling(forward, affine, shape)
    total, count = torch.zeros((2, *shape)), 0
    for network in networks:
        probability = _slide(network, image, settings, clock).softmax(dim=0)
        # the sum over networks is on the CPU in the original too
        total += back.apply(probability.cpu())
        count += 1
    mean = (total / count).permute(0, 3, 2, 1)
    mask: NDArray[np.uint8] = (mean[LESION] > mean[BACKGROUND]).to(torch.uint8).numpy()
    return mask


def _slide(network: nn.Module, image: Tensor, settings: NvautoSettings, clock: NetworkClock) -> Tensor:
    """Blend the windows' logits, (2, x, y, z) on the networks' device."""
    padding = pad_to_window(image.shape[1:], settings.window)
    padded = padding.apply(image)
    places = [
        tuple(slice(first, first + side) for first, side in zip(start, settings.window, strict=True))
        for start in list_dense_starts(padded.shape[1:], settings.window, settings.overlap)
    ]
    weight = make_gaussian_weight(settings.window).to(clock.device)
    total = torch.zeros((2, *padded.shape[1:]), device=clock.device)
    weight_sum = torch.zeros(padded.shape[1:], device=clock.device)
    for first in range(0, len(places), WINDOWS_PER_CALL):
        together = places[first : first + WINDOWS_PER_CALL]
        answers = clock.call(network, torch.stack([padded[:, a, b, c] for a, b, c in together]))
        for (a, b, c), answer in zip(together, answers, strict=True):
            total[:, a, b, c] += answer.float() * weight
            weight_sum[a, b, c] += weight
    return padding.remove(total / weight_sum)
