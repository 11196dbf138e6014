"""Normalisation of channels-last data on the CPU, exact to rounding and several times faster than PyTorch's.

PyTorch 2.13 copies such data for instance normalisation, takes 40 times as long for a variance as for a sum, and its
group and batch normalisation lose three digits where the mean is far from zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def normalise_groups(x: Tensor, groups: int, eps: float, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Normalise each group of channels to mean 0 and variance 1, then scale and shift each channel.

    Parameters
    ----------
    x : Tensor
        (batch, channels, a, b, c); float32, or shorter numbers that are computed with as float32.
    groups : int
        Neighbouring channels share statistics; as many groups as channels is instance normalisation.
    eps : float
        Added to the variance.
    weight, bias : Tensor, optional
        (channels,).

    Returns
    -------
    Tensor
        As `x`, channels-last.
    """
    last = x.movedim(1, -1).float()
    batch, a, b, c, channels = last.shape
    voxels = a * b * c * (channels // groups)
    # whole lines of voxels: operations on a few channels at a time would be slow
    lines = last.reshape(batch, a * b, c * channels)
    mean = _share(_sum_voxels(lines, channels), groups) / voxels
    # centred first, so that the variance is no difference of large sums
    centred = lines - _spread(mean, c)
    variance = _share(_sum_voxels(centred * centred, channels), groups) / voxels
    scale = torch.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * weight
    centred.mul_(_spread(scale, c))
    if bias is not None:
        centred.add_(_spread(bias[None], c))
    return centred.view(batch, a, b, c, channels).movedim(-1, 1).to(x.dtype)


def _sum_voxels(lines: Tensor, channels: int) -> Tensor:
    """Sum (batch, lines, c * channels) over voxels: lines together in float32, what is left in float64."""
    summed = lines.sum(1)
    return summed.double().view(len(summed), -1, channels).sum(1)


def _spread(values: Tensor, c: int) -> Tensor:
    """Repeat (batch, channels) for every voxel of a line, in float32: (batch, 1, c * channels)."""
    return values.float().repeat(1, c).unsqueeze(1)


def _share(sums: Tensor, groups: int) -> Tensor:
    """Give every channel (batch, channels) its group's sum."""
    batch, channels = sums.shape
    return sums.view(batch, groups, -1).sum(2, keepdim=True).expand(-1, -1, channels // groups).reshape(batch, channels)


class ChannelsLastInstanceNorm(nn.Module):
    """Stands for a `torch.nn.InstanceNorm3d` and shares its parameters."""

    def __init__(self, norm: nn.InstanceNorm3d) -> None:
        super().__init__()
        self.weight = norm.weight
        self.bias = norm.bias
        self.eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, a, b, c)."""
        return normalise_groups(x, x.shape[1], self.eps, self.weight, self.bias)


class ChannelsLastGroupNorm(nn.Module):
    """Stands for a `torch.nn.GroupNorm` and shares its parameters."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight = norm.weight
        self.bias = norm.bias
        self.eps = norm.eps
        self.num_groups = norm.num_groups

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, a, b, c)."""
        return normalise_groups(x, self.num_groups, self.eps, self.weight, self.bias)
