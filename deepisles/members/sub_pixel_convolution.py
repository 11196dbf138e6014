"""Transposed convolutions of few channels, by oneDNN's ordinary convolution.

PyTorch 2.13 takes a slow path for them: models/starter's NVAUTO spent a quarter of its time in three such layers on two
CPUs. Every output voxel of a transposed convolution of stride s belongs to one of s x s x s phases, and each phase is
an ordinary convolution of the input (sub-pixel convolution, Shi et al. 2016, section 3.2): all phases are computed as
channels of one convolution and then laid side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from deepisles.members.cpu_convolution import convolve

FEW_CHANNELS = 48
"""Input channels up to which this was faster than PyTorch's own (measured, 8 to 320 channels, kernels 2 and 3)."""


@dataclass(frozen=True)
class PhaseAxis:
    """Phases along one axis: output o = stride * q + phase is a sum over input voxels q + offset.

    Parameters
    ----------
    taps : tuple of tuples of (int, int)
        For each phase, pairs of offset and index into the transposed convolution's kernel.
    """

    taps: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def stride(self) -> int:
        """Phases, and output voxels for each input voxel."""
        return len(self.taps)

    @property
    def first(self) -> int:
        """Lowest offset that any phase looks at."""
        return min(offset for phase in self.taps for offset, _ in phase)

    @property
    def last(self) -> int:
        """Highest offset that any phase looks at."""
        return max(offset for phase in self.taps for offset, _ in phase)

    @property
    def padding(self) -> int:
        """Zeros on both sides that let every offset fall on something."""
        return max(-self.first, self.last, 0)


def divide_into_phases(kernel: int, stride: int, padding: int) -> PhaseAxis:
    """Sort a transposed convolution's kernel along one axis into phases.

    Input voxel i adds to output o = i * stride - padding + k for every kernel index k.
    """
    return PhaseAxis(
        tuple(
            tuple(
                ((phase + padding - index) // stride, index)
                for index in range(kernel)
                if (phase + padding - index) % stride == 0
            )
            for phase in range(stride)
        )
    )


def has_few_channels(convolution: nn.ConvTranspose3d) -> bool:
    """Whether a transposed convolution is one that this module can do, and does faster."""
    sizes = zip(
        convolution.kernel_size,
        convolution.stride,
        _list_padding(convolution),
        convolution.output_padding,
        strict=True,
    )
    return (
        convolution.in_channels <= FEW_CHANNELS
        and convolution.groups == 1
        and set(convolution.dilation) == {1}
        # the output is as many times as large as the stride says, and every phase has something to look at
        and all(kernel >= stride and kernel - 2 * padding + more == stride for kernel, stride, padding, more in sizes)
    )


def _list_padding(convolution: nn.ConvTranspose3d) -> tuple[int, ...]:
    return tuple(int(n) for n in convolution.padding)


class SubPixelConvTranspose3d(nn.Module):
    """Stands for a `torch.nn.ConvTranspose3d` for which `has_few_channels` holds.

    Parameters
    ----------
    convolution : nn.ConvTranspose3d
        Its parameters are shared, and copied once, sorted by phase.
    """

    by_phase: Tensor
    phase_bias: Tensor | None

    def __init__(self, convolution: nn.ConvTranspose3d) -> None:
        super().__init__()
        self.weight = convolution.weight
        self.bias = convolution.bias
        shape = zip(convolution.kernel_size, convolution.stride, _list_padding(convolution), strict=True)
        self.axes = tuple(divide_into_phases(*axis) for axis in shape)
        strides = [axis.stride for axis in self.axes]
        phases = strides[0] * strides[1] * strides[2]
        weight = self.weight.detach()
        in_channels, out_channels = weight.shape[:2]
        by_phase = weight.new_zeros(
            *strides, out_channels, in_channels, *(axis.last - axis.first + 1 for axis in self.axes)
        )
        for phase in product(*map(range, strides)):
            chosen = (axis.taps[number] for axis, number in zip(self.axes, phase, strict=True))
            for taps in product(*chosen):
                i, j, k = (offset - axis.first for axis, (offset, _) in zip(self.axes, taps, strict=True))
                p, q, r = (index for _, index in taps)
                by_phase[phase][:, :, i, j, k] = weight[:, :, p, q, r].T
        by_phase = by_phase.reshape(-1, *by_phase.shape[4:]).contiguous(memory_format=torch.channels_last_3d)
        self.register_buffer("by_phase", by_phase, persistent=False)
        bias = None if self.bias is None else self.bias.detach().repeat(phases)
        self.register_buffer("phase_bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (batch, channels, a, b, c) to channels-last (batch, out, stride a, stride b, stride c)."""
        batch, _, a, b, c = x.shape
        found = convolve(x, self.by_phase, self.phase_bias, padding=tuple(axis.padding for axis in self.axes))
        for dimension, (axis, length) in enumerate(zip(self.axes, (a, b, c), strict=True), start=2):
            found = found.narrow(dimension, axis.first + axis.padding, length)
        p, q, r = (axis.stride for axis in self.axes)
        # (batch, a, b, c, phase a, phase b, phase c, out) to (batch, a, phase a, b, phase b, c, phase c, out)
        apart = found.movedim(1, -1).reshape(batch, a, b, c, p, q, r, -1).permute(0, 1, 4, 2, 5, 3, 6, 7)
        return apart.reshape(batch, a * p, b * q, c * r, -1).movedim(-1, 1)
