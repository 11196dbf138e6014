"""SWAN in the original's way: window after window, all networks on each, in 32 bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepisles.bench.original_way.clock import NetworkClock
from deepisles.case.volume import Volume
from deepisles.members.axis_resampling import resample_back, resample_to
from deepisles.members.nonzero_normalisation import normalise
from deepisles.members.settings import SwanSettings
from deepisles.members.swan import stack_channels
from deepisles.members.windows import list_dense_starts, pad_to_window


def segment(
    networks: Sequence[nn.Module], dwi: Volume, adc: Volume, flair: Volume, settings: SwanSettings, clock: NetworkClock
) -> NDArray[np.uint8]:
    """Segment a case; the mask (z, y, x) on the DWI's grid, a tie being lesion.

    Parameters
    ----------
    networks : sequence of nn.Module
        Each maps a window (1, 3, x, y, z) to its logit (1, 1, x, y, z).
    dwi, adc, flair : Volume
        On the DWI's grid.
    settings : SwanSettings
        Windows and spacing.
    clock : NetworkClock
        Runs the networks.
    """
    image = torch.from_numpy(normalise(stack_channels(dwi, adc, flair)))[None].to(clock.device)
    logit = _slide(networks, resample_to(image, dwi.grid.spacing_mm, settings.spacing_mm), settings, clock)
    logit = resample_back(logit, image.shape[2:])[0, 0]
    mask: NDArray[np.uint8] = (logit >= 0).to(torch.uint8).permute(2, 1, 0).contiguous().cpu().numpy()
    return mask


def _slide(networks: Sequence[nn.Module], image: Tensor, settings: SwanSettings, clock: NetworkClock) -> Tensor:
    """Average the windows' mean logits, (1, 1, x, y, z)."""
    padding = pad_to_window(image.shape[2:], settings.window)
    padded = padding.apply(image)
    total = torch.zeros((1, 1, *padded.shape[2:]), device=clock.device)
    count = torch.zeros_like(total)
    for start in list_dense_starts(padded.shape[2:], settings.window, settings.overlap):
        a, b, c = (slice(first, first + side) for first, side in zip(start, settings.window, strict=True))
        part = padded[..., a, b, c].contiguous()
        logits = [clock.call(network, part) for network in networks]
        total[..., a, b, c] += torch.stack(logits).mean(dim=0)
        count[..., a, b, c] += 1
    return padding.remove(total / count)
