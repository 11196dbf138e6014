"""The U-Net that both of SWAN's networks hang on; what a block is, each network says itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import UNetSkeletonSpec


@dataclass(frozen=True)
class BlockPlace:
    """Where in the U-Net a block stands.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels the block takes and gives.
    level : int
        0 is full resolution.
    is_bridge : bool
        Whether it is the first block of the deepest level.
    """

    in_channels: int
    out_channels: int
    level: int
    is_bridge: bool = False


MakeBlock = Callable[[BlockPlace], nn.Module]


class UNetSkeleton(nn.Module):
    """Stem, encoder, decoder and one 1 x 1 x 1 convolution per head.

    Module names are those of the published checkpoints (factorizer's `UNet`), which load strictly.

    Parameters
    ----------
    spec : UNetSkeletonSpec
        Widths, strides and depths.
    make_block : callable
        Makes the block for a place.

    Raises
    ------
    WeightsError
        If the description contradicts itself.
    """

    def __init__(self, spec: UNetSkeletonSpec, make_block: MakeBlock) -> None:
        _check(spec)
        super().__init__()
        self.stem = nn.Conv3d(spec.in_channels, spec.stem_width, kernel_size=3, padding=1, bias=False)
        self.encoder = Encoder(spec, make_block)
        self.decoder = Decoder(spec, make_block)
        self.heads = nn.ModuleList(
            nn.Conv3d(width, spec.out_channels, kernel_size=1) for width in spec.widths[: spec.heads]
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, in, *spatial) to the full-resolution logit (B, out, *spatial)."""
        logit: Tensor = self.heads[0](self._levels(image)[0])
        return logit

    def all_heads(self, image: Tensor) -> list[Tensor]:
        """Map (B, in, *spatial) to the logits of every head, full resolution first, as training needs them."""
        return [head(features) for head, features in zip(self.heads, self._levels(image), strict=False)]

    def _levels(self, image: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self.decoder(self.encoder(self.stem(image)))
        return levels


class Encoder(nn.Module):
    """Levels from full resolution to the bridge."""

    def __init__(self, spec: UNetSkeletonSpec, make_block: MakeBlock) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(EncoderLevel(spec, level, make_block) for level in range(len(spec.widths)))

    def forward(self, features: Tensor) -> list[Tensor]:
        """Give the features of every level, full resolution first."""
        levels = []
        for block in self.blocks:
            features = block(features)
            levels.append(features)
        return levels


class EncoderLevel(nn.Module):
    """A down-sampling convolution, unless the level keeps the resolution, then blocks."""

    def __init__(self, spec: UNetSkeletonSpec, level: int, make_block: MakeBlock) -> None:
        super().__init__()
        before = spec.widths[level - 1] if level else spec.stem_width
        width, stride = spec.widths[level], spec.strides[level]
        is_bridge = level == len(spec.widths) - 1
        modules: list[nn.Module] = []
        if any(s > 1 for s in stride):
            modules.append(nn.Conv3d(before, width, kernel_size=2, stride=stride, bias=False))
            before = width
        modules.append(make_block(BlockPlace(before, width, level, is_bridge)))
        modules.extend(make_block(BlockPlace(width, width, level)) for _ in range(spec.encoder_depth[level] - 1))
        self.blocks = nn.Sequential(*modules)

    def forward(self, features: Tensor) -> Tensor:
        """Map the features of the level above to this level's."""
        out: Tensor = self.blocks(features)
        return out


class Decoder(nn.Module):
    """Levels from the one above the bridge back to full resolution."""

    def __init__(self, spec: UNetSkeletonSpec, make_block: MakeBlock) -> None:
        super().__init__()
        depths = dict(zip(_decoded_levels(spec), spec.decoder_depth, strict=True))
        self.blocks = nn.ModuleList(DecoderLevel(spec, level, depth, make_block) for level, depth in depths.items())

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Map the encoder's levels to as many decoded ones, full resolution first; the deepest stays as it is."""
        *skips, features = levels
        decoded = [features]
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            features = block(features, skip)
            decoded.append(features)
        return decoded[::-1]


class DecoderLevel(nn.Module):
    """Up-sampling, concatenation with the encoder's features (which come first), then blocks."""

    def __init__(self, spec: UNetSkeletonSpec, level: int, depth: int, make_block: MakeBlock) -> None:
        super().__init__()
        width = spec.widths[level]
        self.upsample = nn.ConvTranspose3d(spec.widths[level + 1], width, kernel_size=2, stride=spec.strides[level + 1])
        self.blocks = nn.Sequential(
            make_block(BlockPlace(2 * width, width, level)),
            *(make_block(BlockPlace(width, width, level)) for _ in range(depth - 1)),
        )

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """Map the features of the level below and the encoder's of this level to this level's."""
        out: Tensor = self.blocks(torch.cat([skip, self.upsample(features)], dim=1))
        return out


def _decoded_levels(spec: UNetSkeletonSpec) -> Iterator[int]:
    return reversed(range(len(spec.widths) - 1))


def _check(spec: UNetSkeletonSpec) -> None:
    levels = len(spec.widths)
    consistent = (
        len(spec.strides) == len(spec.encoder_depth) == levels == len(spec.decoder_depth) + 1
        and 1 <= spec.heads <= levels
        and all(depth >= 1 for depth in (*spec.encoder_depth, *spec.decoder_depth))
        and all(s >= 1 for stride in spec.strides for s in stride)
        and all(width >= 1 for width in (spec.in_channels, spec.out_channels, spec.stem_width, *spec.widths))
    )
    if not consistent:
        raise WeightsError(
            "The widths, strides and depths of a SWAN network do not fit together; import its weights again."
        )
