"""SWAN: Lightning checkpoints of factorizer's U-Nets.

The checkpoint's own hyper-parameters say what the network is. Each is either expressed in the description or refused by
name; defaults are those of factorizer's constructors.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import ResUNetSpec, SwinFactorizerSpec, UNetSkeletonSpec
from deepisles.members.settings import SwanSettings
from deepisles.weights.build import assemble_network
from deepisles.weights.importers.calls import Arguments, read_call
from deepisles.weights.importers.conversion import (
    ConvertedNetwork,
    Triple,
    as_float,
    as_int,
    as_ints,
    as_list,
    as_mapping,
    as_triple,
    plain_tensors,
)
from deepisles.weights.importers.swan_blocks import (
    Convolution,
    expect_convolution,
    read_basic_block,
)
from deepisles.weights.importers.swan_factorizer_blocks import read_factorizer_blocks
from deepisles.weights.unpickling import read_torch_archive

IN_CHANNELS, OUT_CHANNELS = 3, 1
"""DWI, ADC and FLAIR in; one lesion logit out."""
PREFIX = "net."
"""Before every parameter of the network, in the Lightning module's state_dict."""

_UNET_SHAPE = ("stem_width", "encoder_depth", "encoder_width", "strides", "decoder_depth", "stem", "downsample")
_UNET_ARGUMENTS = (
    *("in_channels", "out_channels", "spatial_dims"),
    *_UNET_SHAPE,
    *("block", "upsample", "head", "num_deep_supr"),
)
_FACTORIZER_ARGUMENTS = (
    *("in_channels", "out_channels", "spatial_size"),
    *_UNET_SHAPE,
    *("upsample", "head", "pos_embed", "num_deep_supr"),
)
"""Positional arguments of factorizer's `UNet` and `SegmentationFactorizer`, in order."""


def convert_checkpoint(data: bytes, label: str) -> ConvertedNetwork:
    """Convert a checkpoint.

    Parameters
    ----------
    data : bytes
        The file.
    label : str
        What to call it in an error.

    Raises
    ------
    WeightsError
        If it is damaged, or its network is none that SWAN has.
    """
    checkpoint = as_mapping(read_torch_archive(data, label), label)
    hyper_parameters = as_mapping(checkpoint.get("hyper_parameters"), f"hyper_parameters in {label}")
    spec = read_spec(hyper_parameters.get("network"), label)
    state = as_mapping(checkpoint.get("state_dict"), f"The state_dict in {label}")
    tensors = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in state.items()
        if isinstance(name, str) and name.startswith(PREFIX) and isinstance(tensor, Tensor)
    }
    tensors = plain_tensors(tensors)
    assemble_network(spec, tensors, label)
    return ConvertedNetwork(spec, tensors)


def agree_on_settings(specs: Iterable[object]) -> SwanSettings:
    """Return the settings with the window that the Swin Factorizers were made for.

    Raises
    ------
    WeightsError
        If they were made for different ones.
    """
    windows = {spec.spatial_size for spec in specs if isinstance(spec, SwinFactorizerSpec)}
    if len(windows) > 1:
        raise WeightsError(
            "The Swin Factorizers take windows of different sizes; use folds that were trained together."
        )
    return SwanSettings(window=windows.pop()) if windows else SwanSettings()


def read_spec(network: object, label: str) -> ResUNetSpec | SwinFactorizerSpec:
    """Read a description from `hyper_parameters["network"]`.

    Parameters
    ----------
    network : object
        A partial, or a list of class and arguments, as the unpickler gives it.
    label : str
        What to call the checkpoint in an error.

    Raises
    ------
    WeightsError
        If there is anything in it that the descriptions cannot express.
    """
    call = read_call(network, f"The network in {label}")
    what = f"the network in {label}"
    if call.is_of("factorizer", "UNet"):
        return _read_res_unet(Arguments(call, _UNET_ARGUMENTS, what))
    if call.is_of("factorizer", "SegmentationFactorizer"):
        return _read_swin_factorizer(Arguments(call, _FACTORIZER_ARGUMENTS, what))
    raise WeightsError(f"{label} holds a {call.maker.name:.60}, which is no network of SWAN; it is not supported.")


def _read_res_unet(arguments: Arguments) -> ResUNetSpec:
    arguments.expect("spatial_dims", 3, 3)
    skeleton = _read_skeleton(arguments)
    block = read_basic_block(arguments.take("block"), arguments.name_of("block"))
    arguments.finish()
    return ResUNetSpec(skeleton, block.norm_groups, block.negative_slope, block.dropout)


def _read_swin_factorizer(arguments: Arguments) -> SwinFactorizerSpec:
    spatial_size = as_triple(arguments.take("spatial_size"), arguments.name_of("spatial_size"))
    skeleton = _read_skeleton(arguments)
    pos_embed = arguments.take("pos_embed", True)
    if not isinstance(pos_embed, bool):
        raise arguments.refuse("pos_embed", pos_embed)
    arguments.expect("adapter", None, None)
    dropout = as_float(arguments.take("dropout", 0.0), arguments.name_of("dropout"))
    levels = list(_iterate_levels(spatial_size, skeleton))
    # all that is left are sub-blocks, in their order
    blocks = read_factorizer_blocks(arguments.values, levels, arguments.what)
    return SwinFactorizerSpec(
        skeleton=skeleton,
        spatial_size=spatial_size,
        pos_embed=pos_embed,
        head_dim=blocks.head_dim,
        patch_size=blocks.patch_size,
        shifts=blocks.shifts,
        rank=blocks.rank,
        iterations=blocks.iterations,
        mlp_ratio=blocks.mlp_ratio,
        sub_blocks=blocks.sub_blocks,
        dropout=dropout,
        nmf_dropout=blocks.nmf_dropout,
        mlp_dropout=blocks.mlp_dropout,
    )


def _iterate_levels(spatial_size: Triple, skeleton: UNetSkeletonSpec) -> Iterable[tuple[int, Triple]]:
    """Channels and size of every level, full resolution first."""
    a, b, c = spatial_size
    for width, stride in zip(skeleton.widths, skeleton.strides, strict=True):
        a, b, c = a // stride[0], b // stride[1], c // stride[2]
        yield width, (a, b, c)


def _read_skeleton(arguments: Arguments) -> UNetSkeletonSpec:
    in_channels = as_int(arguments.take("in_channels"), arguments.name_of("in_channels"))
    out_channels = as_int(arguments.take("out_channels"), arguments.name_of("out_channels"))
    if (in_channels, out_channels) != (IN_CHANNELS, OUT_CHANNELS):
        raise WeightsError(
            f"{arguments.what} takes {in_channels} images and gives {out_channels} channels where SWAN takes DWI, ADC "
            f"and FLAIR and gives one; use SWAN weights."
        )
    widths = as_ints(arguments.take("encoder_width", (32, 64, 128, 256, 512)), arguments.name_of("encoder_width"))
    stem_width = arguments.take("stem_width")
    encoder_depth = as_ints(arguments.take("encoder_depth", (1, 1, 1, 1, 1)), arguments.name_of("encoder_depth"))
    decoder_depth = as_ints(arguments.take("decoder_depth", (1, 1, 1, 1)), arguments.name_of("decoder_depth"))
    strides = tuple(
        as_triple(stride, arguments.name_of("strides"))
        for stride in as_list(arguments.take("strides", (1, 2, 2, 2, 2)), arguments.name_of("strides"))
    )
    fits = 2 <= len(widths) == len(encoder_depth) == len(strides) == len(decoder_depth) + 1
    if not fits or strides[0] != (1, 1, 1) or min(*widths, *(n for stride in strides for n in stride)) < 1:
        raise WeightsError(f"The widths, depths and strides of {arguments.what} do not make a U-Net of SWAN.")
    expect_convolution(arguments, "stem", Convolution("Conv3d", kernel=3, padding=1, bias=False))
    expect_convolution(arguments, "downsample", Convolution("Conv3d", kernel=2, bias=False), bias_if_absent=True)
    expect_convolution(arguments, "upsample", Convolution("ConvTranspose3d", kernel=2))
    expect_convolution(arguments, "head", Convolution("Conv3d", kernel=1))
    return UNetSkeletonSpec(
        in_channels=in_channels,
        out_channels=out_channels,
        stem_width=widths[0] if stem_width is None else as_int(stem_width, arguments.name_of("stem_width")),
        widths=widths,
        strides=strides,
        encoder_depth=encoder_depth,
        decoder_depth=decoder_depth,
        heads=as_int(arguments.take("num_deep_supr", 1), arguments.name_of("num_deep_supr")),
    )
