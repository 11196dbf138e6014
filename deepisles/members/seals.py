"""SEALS: nnU-Nets on DWI and ADC at 1 mm, run as nnU-Net v1 ran them.

The steps that decide the mask are those of nnU-Net 1.7 and of DeepISLES' launcher around it.
Where nnU-Net v2 has the same rule, v2's function is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product

import numpy as np
import torch
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from torch import Tensor, nn

from deepisles.members.axes_preprocessing import make_axes_input, undo_axes_resampling
from deepisles.members.axis_resampling import find_resampled_size
from deepisles.members.batching import Batching
from deepisles.members.cpu_layout import place_network
from deepisles.members.effort import FULL, Effort
from deepisles.members.half_precision import half_precision
from deepisles.members.interpolation import interpolate_linearly
from deepisles.members.member import MemberName, Prediction, ReportProgress
from deepisles.members.mirroring import average_mirrored
from deepisles.members.nnunet_preprocessing import Box, NetworkInput, make_network_input, undo_network_input
from deepisles.members.settings import SealsSettings
from deepisles.members.windows import Start, blend_windows, pad_to_window
from deepisles.preparation.prepared import PreparedCase

BACKGROUND, LESION = 0, 1
"""Channels of the networks' answer."""


class Seals:
    """The SEALS member, its networks kept on one device.

    Parameters
    ----------
    networks : sequence of torch.nn.Module
        One network per fold: (1, 2, z, y, x) to logits (1, 2, z, y, x); channels DWI, ADC.
    settings : SealsSettings
        What nnU-Net's plans say.
    device : torch.device
        Where the networks run.
    weights_digest : str
        What the report says the weights were.
    """

    name: MemberName = "seals"
    needs_flair = False

    def __init__(
        self, networks: Sequence[nn.Module], settings: SealsSettings, device: torch.device, weights_digest: str
    ) -> None:
        self.networks = [place_network(network, device) for network in networks]
        self.settings = settings
        self.device = device
        self.weights_digest = weights_digest
        self.needs_isotropic = settings.resampling == "nnunet"
        self._batching = Batching(device, settings.patch_size)

    @torch.inference_mode()
    def segment(self, images: PreparedCase, report_progress: ReportProgress, effort: Effort = FULL) -> Prediction:
        """Segment one case.

        Parameters
        ----------
        images : PreparedCase
            Its DWI and ADC are used, at 1 mm or as they are: the settings say which.
        report_progress : callable
            Told (windows done, windows in all), over all folds.
        effort : Effort
            How much of the work is done.

        Returns
        -------
        Prediction
            On the DWI grid (z, y, x). A voxel is lesion where the mean lesion probability is above that of background:
            a tie is background, as in the original.
        """
        see = self._see_along_axes if self.settings.resampling == "axes" else self._see_as_nnunet
        native = see(images, report_progress, effort)
        mask = native[LESION] > native[BACKGROUND]
        return Prediction(native[LESION].cpu().numpy(), mask.to(torch.uint8).cpu().numpy())

    def _see_as_nnunet(self, images: PreparedCase, report_progress: ReportProgress, effort: Effort) -> Tensor:
        """Give both probabilities (2, z, y, x) on the DWI's grid, by way of 1 mm."""
        isotropic = images.isotropic
        if isotropic is None:
            raise ValueError("SEALS needs the images at 1 mm, and this case has none")
        prepared = make_network_input(isotropic.dwi.array, isotropic.adc.array, self.settings)
        cropped = undo_network_input(self._predict(prepared, report_progress, effort), prepared, self.settings)
        whole = paste(cropped, prepared.box, isotropic.dwi.grid.shape)
        return sample_native(whole, images.grid.shape, images.grid.spacing_mm[::-1])

    def _see_along_axes(self, images: PreparedCase, report_progress: ReportProgress, effort: Effort) -> Tensor:
        """Give both probabilities (2, z, y, x) on the DWI's grid, resampled along its axes."""
        spacing_mm, target_mm = images.grid.spacing_mm[::-1], self.settings.spacing_mm
        prepared = make_axes_input(images.dwi.array, images.adc.array, spacing_mm, target_mm)
        size = find_resampled_size(images.grid.shape, spacing_mm, target_mm)
        whole = paste(self._predict(prepared, report_progress, effort), prepared.box, size)
        return undo_axes_resampling(whole, images.grid.shape)

    def _predict(self, prepared: NetworkInput, report_progress: ReportProgress, effort: Effort) -> Tensor:
        """Average the folds' softmax, (2, z, y, x) over the cropped box in the networks' axis order."""
        image = torch.from_numpy(prepared.array)[None].to(self.device)
        patch = self.settings.patch_size
        padding = pad_to_window(image.shape[2:], patch)
        image = padding.apply(image)
        # the step is a share of the window, and what is left of it overlaps
        step = 1 - effort.limit_overlap(1 - self.settings.step)
        starts = list_starts(tuple(image.shape[2:]), patch, step)
        networks = effort.choose_networks(self.networks)
        mirrors = len(effort.limit_axes(self.settings.mirror_axes))
        weight = None
        if len(starts) > 1:
            weight = compute_gaussian(patch, value_scaling_factor=1, dtype=torch.float32, device=self.device)
        windows_done = 0

        def count_windows(count: int) -> None:
            nonlocal windows_done
            windows_done += count
            report_progress(windows_done, len(starts) * len(networks))

        total: Tensor | None = None
        for network in networks:
            predict = partial(self._predict_windows, network, effort)
            softmax = blend_windows(
                predict, image, patch, starts, weight, count_windows, lambda: self._batching.size >> mirrors
            )
            # each fold's softmax is kept in 16 bits before folds are averaged (nnU-Net v1 writes it so)
            stored = padding.remove(softmax)[0].half().float()
            total = stored if total is None else total.add_(stored)
        if total is None:
            raise ValueError("SEALS has no networks")
        return total.div_(len(networks))

    def _predict_windows(self, network: nn.Module, effort: Effort, windows: Tensor) -> Tensor:
        def softmax(flipped: Tensor) -> Tensor:
            with half_precision(self.device, effort):
                logits: Tensor = network(flipped)
            return logits.float().softmax(dim=1)

        mirror_axes = effort.limit_axes(self.settings.mirror_axes)
        return average_mirrored(partial(self._batching.run, softmax), windows, mirror_axes, self._batching.size)


def paste(cropped: Tensor, box: Box, shape: Sequence[int]) -> Tensor:
    """Put probabilities (2, z, y, x) of a box into a volume that is background elsewhere."""
    whole = torch.zeros((2, *shape), dtype=torch.float32, device=cropped.device)
    whole[BACKGROUND] = 1.0
    whole[:, *box] = cropped
    return whole


def list_starts(size: tuple[int, ...], patch: tuple[int, int, int], step: float) -> list[Start]:
    """Window starts by nnU-Net's rule (v1 and v2 agree), first axis outermost; `size` is at least `patch`."""
    a, b, c = compute_steps_for_sliding_window(size, patch, step)
    return list(product(a, b, c))


def sample_native(isotropic: Tensor, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> Tensor:
    """Sample 1 mm probabilities (channels, z, y, x) at the native voxels: index times spacing, 0 outside.

    The original gives its 1 mm volume an identity direction for this step, so positions are exact; for 2 mm it takes
    every second voxel. ITK counts a position as inside up to half a voxel beyond the last centre.
    """
    positions = [np.arange(n, dtype=np.float64) * spacing for n, spacing in zip(shape, spacing_mm, strict=True)]
    return interpolate_linearly(isotropic, positions, outside=0.0)
