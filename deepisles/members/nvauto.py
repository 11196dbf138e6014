"""NVAUTO: MONAI SegResNets on ADC and DWI at 1 mm, run as MONAI 0.9 ran them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from monai.networks.layers.convutils import gaussian_1d
from torch import Tensor, nn

from deepisles.members.batching import Batching
from deepisles.members.cpu_layout import place_network
from deepisles.members.effort import FULL, Effort
from deepisles.members.half_precision import half_precision
from deepisles.members.member import MemberName, Prediction, ReportProgress
from deepisles.members.monai_resampling import invert_resampling, plan_resampling
from deepisles.members.settings import NvautoSettings
from deepisles.members.windows import blend_windows, list_dense_starts, pad_to_window
from deepisles.preparation.prepared import PreparedCase

BACKGROUND, LESION = 0, 1
"""Channels of the networks' answer."""
GAUSSIAN_SIGMA_SCALE = 0.125
"""Sigma of the blending weight as a share of the window (MONAI 0.9, sliding_window_inference)."""
LEAST_WEIGHT = 1e-3
"""Floor of the blending weight (MONAI 0.9, sliding_window_inference)."""


class Nvauto:
    """The NVAUTO member, its networks kept on one device.

    Parameters
    ----------
    networks : sequence of torch.nn.Module
        (1, 2, x, y, z) to logits (1, 2, x, y, z); channels ADC, DWI, in this order.
    settings : NvautoSettings
        Window, overlap and spacing.
    device : torch.device
        Where the networks run.
    weights_digest : str
        What the report says the weights were.
    """

    name: MemberName = "nvauto"
    needs_flair = False
    needs_isotropic = False

    def __init__(
        self, networks: Sequence[nn.Module], settings: NvautoSettings, device: torch.device, weights_digest: str
    ) -> None:
        self.networks = [place_network(network, device) for network in networks]
        self.settings = settings
        self.device = device
        self.weights_digest = weights_digest
        self._batching = Batching(device, settings.window)

    @torch.inference_mode()
    def segment(self, images: PreparedCase, report_progress: ReportProgress, effort: Effort = FULL) -> Prediction:
        """Segment one case.

        Parameters
        ----------
        images : PreparedCase
            Its DWI and ADC are used, in storage order; nothing is reoriented.
        report_progress : callable
            Told (windows done, windows in all), over all networks.
        effort : Effort
            How much of the work is done.

        Returns
        -------
        Prediction
            On the DWI grid (z, y, x). A tie is background.
        """
        native = torch.stack([to_storage_order(images.adc.array), to_storage_order(images.dwi.array)])
        shape = tuple(native.shape[1:])
        forward = plan_resampling(images.grid.affine_ras, shape, self.settings.spacing_mm)
        # on the CPU always: rounding decides which voxels count as brain, and the original resamples there too
        prepared = normalise_nonzero(forward.apply(native))
        probability = self._predict(prepared.to(self.device), report_progress, effort)
        back = invert_resampling(forward, images.grid.affine_ras, shape).apply(probability)
        back = back.permute(0, 3, 2, 1).cpu()
        mask = back[LESION] > back[BACKGROUND]
        return Prediction(back[LESION].contiguous().numpy(), mask.to(torch.uint8).numpy())

    def _predict(self, image: Tensor, report_progress: ReportProgress, effort: Effort) -> Tensor:
        """Average the networks' softmax, (2, x, y, z) at the networks' spacing."""
        window = self.settings.window
        padding = pad_to_window(image.shape[1:], window)
        padded = padding.apply(image[None])
        starts = list_dense_starts(padded.shape[2:], window, effort.limit_overlap(self.settings.overlap))
        networks = effort.choose_networks(self.networks)
        weight = make_gaussian_weight(window).to(self.device)
        windows_done = 0

        def count_windows(count: int) -> None:
            nonlocal windows_done
            windows_done += count
            report_progress(windows_done, len(starts) * len(networks))

        total = torch.zeros((2, *image.shape[1:]), dtype=torch.float32, device=self.device)
        for network in networks:
            predict = partial(self._batching.run, network)
            with half_precision(self.device, effort):
                logits = blend_windows(
                    predict, padded, window, starts, weight, count_windows, lambda: self._batching.size
                )
            total += padding.remove(logits)[0].softmax(dim=0)
        return total.div_(len(networks))


def to_storage_order(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
    """Turn (z, y, x) into a float32 tensor (x, y, z), the index order of the file."""
    return torch.from_numpy(np.ascontiguousarray(array.astype(np.float32).transpose(2, 1, 0)))


def normalise_nonzero(channels: Tensor) -> Tensor:
    """Z-score each channel over its own voxels that are not 0; zeros stay 0 (MONAI 0.9, NormalizeIntensity).

    Population standard deviation, 1 where it is 0; float32; (channels, x, y, z).
    """
    result = channels.clone()
    for channel in result:
        inside = channel != 0
        values = channel[inside]
        if values.numel():
            deviation = values.std(unbiased=False)
            channel[inside] = (values - values.mean()) / (deviation if deviation != 0 else 1.0)
    return result


def make_gaussian_weight(window: Sequence[int]) -> Tensor:
    """Make MONAI 0.9's blending weight (*window), float32: a smoothed impulse at window // 2, at most 1, floored.

    MONAI 1.0 and later centre it at (window - 1) / 2 and sample the Gaussian instead of integrating it.
    """
    weight = torch.ones(1)
    for axis, size in enumerate(window):
        kernel = gaussian_1d(torch.tensor(size * GAUSSIAN_SIGMA_SCALE), truncated=4.0, approx="erf")
        impulse = torch.zeros(size)
        impulse[size // 2] = 1.0
        smooth = nn.functional.conv1d(impulse[None, None], kernel[None, None], padding=len(kernel) // 2)[0, 0]
        weight = weight[..., None] * smooth if axis else smooth
    weight = weight / weight.max()
    floor = max(float(weight[weight != 0].min()), LEAST_WEIGHT)
    return weight.clamp(min=floor)
