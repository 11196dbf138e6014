"""SWAN: ten networks (ResU-Net and Swin Factorizer, five folds each) on DWI, ADC and FLAIR (DeepISLES, src/FACTORIZER).

Arrays and tensors inside this module are (x, y, z), the axis order of the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepisles.case.volume import Volume
from deepisles.errors import MemberFailed
from deepisles.members.axis_resampling import resample_back, resample_to
from deepisles.members.batching import Batching
from deepisles.members.cpu_layout import place_network
from deepisles.members.effort import FULL, Effort
from deepisles.members.half_precision import half_precision
from deepisles.members.member import MemberName, Prediction, ReportProgress
from deepisles.members.nonzero_normalisation import normalise
from deepisles.members.settings import SwanSettings
from deepisles.members.windows import blend_windows, list_dense_starts, pad_to_window
from deepisles.preparation.prepared import PreparedCase


class Swan:
    """SWAN with its networks loaded.

    Dropout is off, while the original leaves it on (see docs/fidelity.md).

    Parameters
    ----------
    networks : sequence of nn.Module
        Each maps a window (1, 3, x, y, z) to its logit (1, 1, x, y, z).
    settings : SwanSettings
        Windows and spacing.
    device : torch.device
        Where the networks run.
    weights_digest : str
        Identifies the weights in the report.
    """

    name: MemberName = "swan"
    needs_flair = True
    needs_isotropic = False

    def __init__(
        self, networks: Sequence[nn.Module], settings: SwanSettings, device: torch.device, weights_digest: str
    ) -> None:
        self.networks = [place_network(network, device) for network in networks]
        self.settings = settings
        self.device = device
        self.weights_digest = weights_digest
        self._batching = Batching(device, settings.window)

    @torch.inference_mode()
    def segment(self, images: PreparedCase, report_progress: ReportProgress, effort: Effort = FULL) -> Prediction:
        """Segment one prepared case; axes (z, y, x) in and out.

        Raises
        ------
        ValueError
            If the case has no FLAIR.
        MemberFailed
            If the networks' answer is not a number somewhere.
        """
        if images.flair is None:
            raise ValueError("SWAN needs FLAIR, and this case has none")
        channels = normalise(stack_channels(images.dwi, images.adc, images.flair))
        spacing_mm = images.grid.spacing_mm
        image = torch.from_numpy(channels)[None].to(self.device)
        image_2mm = resample_to(image, spacing_mm, self.settings.spacing_mm)
        logit = self._predict(image_2mm, report_progress, effort)
        logit = resample_back(logit, image.shape[2:])[0, 0]
        if not torch.isfinite(logit).all():
            raise MemberFailed("SWAN's networks gave values that are not numbers; check its weights and the images.")
        return Prediction(
            probability=_to_zyx(torch.sigmoid(logit)),
            # the original keeps ties: a logit of exactly zero is lesion
            mask=_to_zyx((logit >= 0).to(torch.uint8)),
        )

    def _predict(self, image: Tensor, report_progress: ReportProgress, effort: Effort) -> Tensor:
        """Map (1, 3, x, y, z) to the blended mean logit (1, 1, x, y, z) of all networks."""
        window = self.settings.window
        padding = pad_to_window(image.shape[2:], window)
        padded = padding.apply(image)
        starts = list_dense_starts(padded.shape[2:], window, effort.limit_overlap(self.settings.overlap))
        networks = effort.choose_networks(self.networks)
        total = len(starts) * len(networks)
        done = 0

        def mean_logit(parts: Tensor) -> Tensor:
            nonlocal done
            logit = parts.new_zeros((len(parts), 1, *parts.shape[2:]))
            for network in networks:
                with half_precision(self.device, effort, on_cuda=False):
                    answer = self._batching.run(network, parts)
                logit += answer
                done += len(parts)
                report_progress(done, total)
            return logit / len(networks)

        blended = blend_windows(mean_logit, padded, window, starts, at_once=lambda: self._batching.size)
        return padding.remove(blended)


def stack_channels(*volumes: Volume) -> NDArray[np.float32]:
    """Stack volumes (z, y, x) as float32 channels (channel, x, y, z)."""
    return np.ascontiguousarray(np.stack([volume.array.astype(np.float32) for volume in volumes]).transpose(0, 3, 2, 1))


def _to_zyx(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.permute(2, 1, 0).contiguous().cpu().numpy()
    return array
