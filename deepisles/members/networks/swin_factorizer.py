"""Swin Factorizer, one of SWAN's two architectures.

Ashtari et al., Factorizer: A Scalable Interpretable Approach to Context Modeling for Medical Image Segmentation,
Medical Image Analysis 84 (2023). Inside a block tensors are channels-last, (B, *spatial, channels), so that layer
normalisation and linear layers work on contiguous memory.
"""

from __future__ import annotations

from itertools import accumulate
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepisles.errors import WeightsError
from deepisles.members.networks.matricization import ShiftedWindows
from deepisles.members.networks.matrix_factorization import NonNegativeFactorization
from deepisles.members.networks.specs import SwinFactorizerSpec, UNetSkeletonSpec
from deepisles.members.networks.unet_skeleton import BlockPlace, UNetSkeleton

Size = tuple[int, int, int]


class SwinFactorizer(UNetSkeleton):
    """The U-Net skeleton with blocks of matrix factorisation over shifted windows.

    Raises
    ------
    WeightsError
        If the description contradicts itself.
    """

    def __init__(self, spec: SwinFactorizerSpec) -> None:
        sizes = _level_sizes(spec.spatial_size, spec.skeleton)
        _check(spec, sizes)
        super().__init__(spec.skeleton, lambda place: FactorizerBlock(place, sizes[place.level], spec))
        self.spatial_size = spec.spatial_size

    def _levels(self, image: Tensor) -> list[Tensor]:
        if tuple(image.shape[2:]) != self.spatial_size:
            raise ValueError(f"a window of {tuple(image.shape[2:])} for a network that takes {self.spatial_size}")
        return super()._levels(image.contiguous(memory_format=torch.channels_last_3d))


class FactorizerBlock(nn.Module):
    """Residual sub-blocks of factorisation and of a perceptron, each after layer normalisation."""

    def __init__(self, place: BlockPlace, size: Size, spec: SwinFactorizerSpec) -> None:
        super().__init__()
        width = place.out_channels
        self.adapter = nn.Sequential()
        if place.in_channels != width:
            self.adapter.append(ChannelLinear(place.in_channels, width, bias=False))
            self.adapter.append(nn.Dropout(spec.dropout))
        self.pos_embed: nn.Module = nn.Identity()
        if spec.pos_embed and place.is_bridge:
            self.pos_embed = PositionEmbedding(width, size, spec.dropout)
        self.blocks = nn.ModuleDict()
        for name in spec.sub_blocks:
            inner = Factorization(place, size, spec) if name == "nmf" else Perceptron(width, spec)
            self.blocks[name] = Residual(width, inner)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in, *spatial) to (B, out, *spatial)."""
        out = self.pos_embed(self.adapter(features.movedim(1, -1)))
        for block in self.blocks.values():
            out = block(out)
        channels_first: Tensor = out.movedim(-1, 1)
        return channels_first


class Residual(nn.Module):
    """A module after layer normalisation, added to its input."""

    def __init__(self, width: int, inner: nn.Module) -> None:
        super().__init__()
        self.fn = nn.Sequential(ChannelNorm(width), inner)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, *spatial, channels) to the same shape."""
        out: Tensor = features + self.fn(features)
        return out


class Factorization(nn.Module):
    """Replace the features by low-rank approximations of their patches, between two linear layers."""

    def __init__(self, place: BlockPlace, size: Size, spec: SwinFactorizerSpec) -> None:
        super().__init__()
        width, matrices = place.out_channels, spec.list_level_matrices()[place.level]
        self.windows = ShiftedWindows(width, size, matrices.head_dim, matrices.patch_size, spec.shifts)
        self.in_proj = ChannelLinear(width, width, bias=False)
        columns = prod(matrices.patch_size)
        self.factorize = NonNegativeFactorization(matrices.head_dim, columns, matrices.rank, spec.iterations)
        self.out_proj = ChannelLinear(width, width)
        self.dropout = nn.Dropout(spec.nmf_dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, *spatial, channels) to the same shape."""
        non_negative = functional.relu(self.in_proj(features))
        approximation = self.windows.fold_back(self.factorize(self.windows.matricise(non_negative)))
        out: Tensor = self.dropout(self.out_proj(approximation))
        return out


class Perceptron(nn.Module):
    """Two linear layers over the channels of a voxel."""

    def __init__(self, width: int, spec: SwinFactorizerSpec) -> None:
        super().__init__()
        hidden = int(spec.mlp_ratio * width)
        self.block = nn.Sequential(
            ChannelLinear(width, hidden),
            nn.GELU(),
            nn.Dropout(spec.mlp_dropout),
            ChannelLinear(hidden, width),
            nn.Dropout(spec.mlp_dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, *spatial, channels) to the same shape."""
        out: Tensor = self.block(features)
        return out


class PositionEmbedding(nn.Module):
    """A learnt value per voxel and channel, added."""

    def __init__(self, width: int, size: Size, dropout: float) -> None:
        super().__init__()
        self.pos = nn.Parameter(torch.randn(1, width, *size))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, *spatial, channels) to the same shape."""
        out: Tensor = self.dropout(features + self.pos.movedim(1, -1))
        return out


class ChannelLinear(nn.Module):
    """A linear layer over the last axis; its weights are shaped as a convolution's, as the checkpoints store them."""

    def __init__(self, inside: int, outside: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inside, outside, kernel_size=1, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return functional.linear(features, self.linear.weight[..., 0], self.linear.bias)


class ChannelNorm(nn.Module):
    """Layer normalisation over the last axis."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (..., channels) to the same shape."""
        out: Tensor = self.norm(features)
        return out


def build_swin_factorizer(spec: SwinFactorizerSpec) -> SwinFactorizer:
    """Build a Swin Factorizer with fresh weights."""
    return SwinFactorizer(spec)


def _level_sizes(size: Size, skeleton: UNetSkeletonSpec) -> list[Size]:
    """Spatial size of every level, full resolution first."""

    def shrink(above: Size, stride: Size) -> Size:
        return above[0] // stride[0], above[1] // stride[1], above[2] // stride[2]

    return list(accumulate(skeleton.strides, shrink, initial=size))[1:]


def _check(spec: SwinFactorizerSpec, sizes: list[Size]) -> None:
    if not spec.shifts or not _divides_evenly(spec, sizes):
        raise WeightsError(
            "The window, patches and heads of a Swin Factorizer do not fit together; import its weights again."
        )


def _divides_evenly(spec: SwinFactorizerSpec, sizes: list[Size]) -> bool:
    try:
        levels = list(zip(spec.skeleton.widths, sizes, spec.list_level_matrices(), strict=True))
    except ValueError:
        return False
    return all(
        min(matrices.head_dim, *matrices.patch_size, matrices.rank, *size) >= 1
        and width % matrices.head_dim == 0
        and len(matrices.patch_size) == 3
        and not any(n % patch for n, patch in zip(size, matrices.patch_size, strict=False))
        for width, size, matrices in levels
    )
