"""SEALS' network: nnU-Net v2's where both versions agree, with v1's decoder kernels where they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from deepisles.errors import WeightsError
from deepisles.members.networks.plain_conv_unet import build_plain_conv_unet
from deepisles.members.networks.specs import PlainConvUNetSpec

SPEC = PlainConvUNetSpec(
    in_channels=2,
    out_channels=2,
    features=(4, 6, 8),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    encoder_kernel_sizes=((3, 3, 3),) * 3,
    decoder_kernel_sizes=((3, 3, 3),) * 2,
    encoder_convolutions=(2, 1, 3),
    decoder_convolutions=(2, 1),
)


def test_even_kernels_give_nnunet_v2s_network() -> None:
    torch.manual_seed(0)
    network = build_plain_conv_unet(SPEC).eval()
    other = PlainConvUNet(
        2, 3, [4, 6, 8], nn.Conv3d, 3, [[1, 1, 1], [1, 2, 2], [2, 2, 2]], [2, 1, 3], 2, [2, 1], conv_bias=True,
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    ).eval()  # fmt: skip
    other.load_state_dict(network.state_dict())
    image = torch.randn(1, 2, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(network(image), other(image))


def test_decoder_kernels_are_those_described() -> None:
    spec = replace(
        SPEC, encoder_kernel_sizes=((1, 3, 3), (3, 3, 3), (3, 3, 3)), decoder_kernel_sizes=((3, 3, 1), (3, 3, 3))
    )
    network = build_plain_conv_unet(spec).eval()
    shapes = {name: tuple(tensor.shape[2:]) for name, tensor in network.state_dict().items()}
    assert shapes["encoder.stages.0.0.convs.1.conv.weight"] == (1, 3, 3)
    assert shapes["decoder.stages.0.convs.0.conv.weight"] == (3, 3, 1)
    assert shapes["decoder.stages.0.convs.1.conv.weight"] == (3, 3, 1)
    assert shapes["decoder.stages.1.convs.0.conv.weight"] == (3, 3, 3)
    with torch.no_grad():
        assert network(torch.randn(1, 2, 4, 8, 8)).shape == (1, 2, 4, 8, 8)


def test_published_size() -> None:
    # the full-size SEALS as nnU-Net v1 plans it; 94 biases of up-sampling and heads are nnU-Net v2's
    features = (32, 64, 128, 256, 320, 320)
    spec = PlainConvUNetSpec(
        2, 2, features, ((1, 1, 1), *((2, 2, 2),) * 5), ((3, 3, 3),) * 6, ((3, 3, 3),) * 5, (2,) * 6, (2,) * 5
    )
    with torch.device("meta"):
        network = build_plain_conv_unet(spec)
    added = sum(features[:-1]) + 5 * 2
    assert sum(parameter.numel() for parameter in network.parameters()) == 31_195_648 + added


@pytest.mark.parametrize(
    "change",
    [
        {"features": (4,)},
        {"strides": SPEC.strides[:2]},
        {"decoder_kernel_sizes": ((3, 3, 3),)},
        {"encoder_kernel_sizes": ((2, 3, 3),) * 3},
        {"features": (4, 0, 8)},
        {"decoder_convolutions": (2, 0)},
        {"in_channels": 0},
    ],
)
def test_contradictions_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="do not fit together"):
        build_plain_conv_unet(replace(SPEC, **change))  # type: ignore[arg-type]
