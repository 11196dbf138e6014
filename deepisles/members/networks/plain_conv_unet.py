"""nnU-Net's plain U-Net, able to hold any of nnU-Net v1's networks (SEALS)."""

from __future__ import annotations

from typing import Any

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from dynamic_network_architectures.building_blocks.simple_conv_blocks import StackedConvBlocks
from torch import nn

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import PlainConvUNetSpec

_CONVOLUTION: dict[str, Any] = {
    "conv_bias": True,
    "norm_op": nn.InstanceNorm3d,
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "nonlin": nn.LeakyReLU,
    "nonlin_kwargs": {"negative_slope": 1e-2, "inplace": True},
}
"""Convolution, instance normalisation, leaky ReLU: nnU-Net v1, nnUNetTrainerV2.initialize_network."""


def build_plain_conv_unet(spec: PlainConvUNetSpec) -> nn.Module:
    """Build the network with fresh weights.

    Its decoder takes the kernels of the description. nnU-Net v2 gives a decoder stage the kernel of the encoder stage
    beside it, v1 that of the stage below, which differs where kernels are not all alike.

    Parameters
    ----------
    spec : PlainConvUNetSpec
        Axes (z, y, x).

    Returns
    -------
    torch.nn.Module
        Maps (B, in, z, y, x) to logits (B, out, z, y, x).

    Raises
    ------
    WeightsError
        If the description contradicts itself.
    """
    _check(spec)
    network = PlainConvUNet(
        input_channels=spec.in_channels,
        n_stages=len(spec.features),
        features_per_stage=list(spec.features),
        conv_op=nn.Conv3d,
        kernel_sizes=[list(kernel) for kernel in spec.encoder_kernel_sizes],
        strides=[list(stride) for stride in spec.strides],
        n_conv_per_stage=list(spec.encoder_convolutions),
        num_classes=spec.out_channels,
        n_conv_per_stage_decoder=list(spec.decoder_convolutions),
        deep_supervision=False,
        **_CONVOLUTION,
    )
    for stage, (kernel, convolutions) in enumerate(
        zip(spec.decoder_kernel_sizes, spec.decoder_convolutions, strict=True)
    ):
        features = spec.features[-2 - stage]
        if kernel != spec.encoder_kernel_sizes[-2 - stage]:
            network.decoder.stages[stage] = StackedConvBlocks(
                convolutions, nn.Conv3d, 2 * features, features, list(kernel), 1, **_CONVOLUTION
            )
    built: nn.Module = network
    return built


def _check(spec: PlainConvUNetSpec) -> None:
    stages = len(spec.features)
    kernels = (*spec.encoder_kernel_sizes, *spec.decoder_kernel_sizes)
    consistent = (
        stages >= 2
        and len(spec.strides) == len(spec.encoder_kernel_sizes) == len(spec.encoder_convolutions) == stages
        and len(spec.decoder_kernel_sizes) == len(spec.decoder_convolutions) == stages - 1
        and all(n % 2 for kernel in kernels for n in kernel)
        and all(n >= 1 for triple in (*kernels, *spec.strides) for n in triple)
        and all(n >= 1 for n in (*spec.features, *spec.encoder_convolutions, *spec.decoder_convolutions))
        and spec.in_channels >= 1
        and spec.out_channels >= 1
    )
    if not consistent:
        raise WeightsError(
            "The stages, strides and kernels of a SEALS network do not fit together; import its weights again."
        )
