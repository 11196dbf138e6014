"""What a network looks like, apart from its weights: one frozen description per architecture.

A description and a set of tensors make a network; `kind` tells the descriptions apart in bundle.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

Size = tuple[int, int, int]


@dataclass(frozen=True)
class PlainConvUNetSpec:
    """nnU-Net's plain U-Net (SEALS); stages from full resolution to bottleneck, axes (z, y, x).

    Parameters
    ----------
    features : tuple of int
        Channels per stage.
    strides : tuple of 3-tuples
        Stride on entering each stage; the first is (1, 1, 1).
    encoder_kernel_sizes : tuple of 3-tuples
        Kernel per encoder stage.
    decoder_kernel_sizes : tuple of 3-tuples
        Kernel per decoder stage, deepest first.
    encoder_convolutions, decoder_convolutions : tuple of int
        Convolutions per encoder stage, and per decoder stage (deepest first).
    """

    in_channels: int
    out_channels: int
    features: tuple[int, ...]
    strides: tuple[tuple[int, int, int], ...]
    encoder_kernel_sizes: tuple[tuple[int, int, int], ...]
    decoder_kernel_sizes: tuple[tuple[int, int, int], ...]
    encoder_convolutions: tuple[int, ...]
    decoder_convolutions: tuple[int, ...]
    kind: Literal["plain-conv-unet"] = "plain-conv-unet"


@dataclass(frozen=True)
class SegResNetDSSpec:
    """MONAI's SegResNetDS (NVAUTO); argument names are MONAI's."""

    in_channels: int
    out_channels: int
    init_filters: int
    blocks_down: tuple[int, ...]
    blocks_up: tuple[int, ...]
    dsdepth: int
    norm: Literal["batch", "instance", "instance_affine"]
    upsample_mode: Literal["deconv", "nontrainable"] = "deconv"
    kind: Literal["segresnet-ds"] = "segresnet-ds"


@dataclass(frozen=True)
class TorchScriptSpec:
    """A network that could not be rebuilt from its parts and is kept as the TorchScript archive it came in."""

    in_channels: int
    out_channels: int
    kind: Literal["torchscript"] = "torchscript"


@dataclass(frozen=True)
class UNetSkeletonSpec:
    """The U-Net that both of SWAN's networks hang on; levels from full resolution down.

    Parameters
    ----------
    stem_width : int
        Channels after the stem.
    widths : tuple of int
        Channels per level.
    strides : tuple of 3-tuples
        Stride on entering each level; the first is (1, 1, 1).
    encoder_depth, decoder_depth : tuple of int
        Blocks per encoder level, and per decoder level (deepest first).
    heads : int
        Output heads (deep supervision); inference uses head 0.
    """

    in_channels: int
    out_channels: int
    stem_width: int
    widths: tuple[int, ...]
    strides: tuple[tuple[int, int, int], ...]
    encoder_depth: tuple[int, ...]
    decoder_depth: tuple[int, ...]
    heads: int


@dataclass(frozen=True)
class ResUNetSpec:
    """ResU-Net: the skeleton with residual convolution blocks and group normalisation."""

    skeleton: UNetSkeletonSpec
    norm_groups: int
    negative_slope: float
    dropout: float = 0.0
    kind: Literal["res-unet"] = "res-unet"


@dataclass(frozen=True)
class LevelMatrices:
    """The matrices that a level of a Swin Factorizer works on: channels, patch and rank; fields as there."""

    head_dim: int
    patch_size: tuple[int, int, int]
    rank: int


@dataclass(frozen=True)
class SwinFactorizerSpec:
    """Swin Factorizer: the skeleton with shifted-window matrix-factorisation blocks.

    Parameters
    ----------
    spatial_size : 3-tuple of int
        The one window size the network takes.
    pos_embed : bool
        Whether the bridge adds a learnt position embedding.
    head_dim : int or tuple of int
        Channels per factorised matrix; one number for all levels or one per level, full resolution first.
    patch_size : 3-tuple of int or tuple of them
        Voxels per patch along each axis; for all levels or per level.
    shifts : tuple of (3-tuple of int or None)
        Cyclic shifts; None is no shift.
    rank : int or tuple of int
        Rank of the factorisation; for all levels or per level.
    iterations : int
        Number of alternating updates of the factorisation.
    mlp_ratio : float
        Hidden channels of the MLP over its input channels.
    sub_blocks : tuple of str
        Order of the sub-blocks inside a block, for example ("nmf", "mlp").
    dropout, nmf_dropout, mlp_dropout : float
        As trained; inactive at inference.
    """

    skeleton: UNetSkeletonSpec
    spatial_size: tuple[int, int, int]
    pos_embed: bool
    head_dim: int | tuple[int, ...]
    patch_size: tuple[int, int, int] | tuple[tuple[int, int, int], ...]
    shifts: tuple[tuple[int, int, int] | None, ...]
    rank: int | tuple[int, ...]
    iterations: int
    mlp_ratio: float
    sub_blocks: tuple[Literal["nmf", "mlp"], ...] = ("nmf", "mlp")
    dropout: float = 0.0
    nmf_dropout: float = 0.0
    mlp_dropout: float = 0.0
    kind: Literal["swin-factorizer"] = "swin-factorizer"

    def list_level_matrices(self) -> tuple[LevelMatrices, ...]:
        """List every level's matrices, full resolution first.

        Raises
        ------
        ValueError
            If something is given for some levels only.
        """
        levels = len(self.skeleton.widths)
        head_dims = self.head_dim if isinstance(self.head_dim, tuple) else (self.head_dim,) * levels
        ranks = self.rank if isinstance(self.rank, tuple) else (self.rank,) * levels
        is_per_level = self.patch_size and isinstance(self.patch_size[0], tuple)
        patches = cast("tuple[Size, ...]", self.patch_size if is_per_level else (self.patch_size,) * levels)
        matrices = zip(head_dims, patches, ranks, range(levels), strict=True)
        return tuple(LevelMatrices(head_dim, patch, rank) for head_dim, patch, rank, _ in matrices)


NetworkSpec = PlainConvUNetSpec | SegResNetDSSpec | TorchScriptSpec | ResUNetSpec | SwinFactorizerSpec
