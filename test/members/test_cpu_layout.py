"""The CPU layout changes speed, not answers."""

from __future__ import annotations

import copy

import pytest
import torch
from monai.networks.nets import SegResNetDS
from torch import nn

from deepisles.members.channels_last_norm import ChannelsLastGroupNorm, ChannelsLastInstanceNorm
from deepisles.members.cpu_convolution import OneDnnConv3d
from deepisles.members.cpu_layout import lay_out_for_cpu
from deepisles.members.networks.plain_conv_unet import build_plain_conv_unet
from deepisles.members.networks.specs import PlainConvUNetSpec

THREE = (3, 3, 3)
UNET = PlainConvUNetSpec(
    in_channels=2, out_channels=2, features=(4, 8, 12), strides=((1, 1, 1), (2, 2, 2), (1, 2, 2)),
    encoder_kernel_sizes=(THREE, THREE, (1, 3, 3)), decoder_kernel_sizes=((1, 3, 3), THREE),
    encoder_convolutions=(2, 2, 2), decoder_convolutions=(2, 2),
)  # fmt: skip


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_plain_conv_unet(UNET),
        lambda: SegResNetDS(init_filters=4, in_channels=2, norm="instance", blocks_down=(1, 1), blocks_up=(1,)),
        lambda: SegResNetDS(init_filters=4, in_channels=2, norm="batch", blocks_down=(1, 1), blocks_up=(1,)),
    ],
)
def test_answers_are_the_same(build):
    torch.manual_seed(0)
    network = build().eval()
    fast = lay_out_for_cpu(copy.deepcopy(network))
    assert any(isinstance(module, OneDnnConv3d) for module in fast.modules())
    assert not any(type(module) is nn.Conv3d for module in fast.modules())
    image = torch.randn(1, 2, 16, 24, 16)
    with torch.inference_mode():
        torch.testing.assert_close(fast(image), network(image), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    ("norm", "twin"),
    [
        (nn.InstanceNorm3d(4, affine=True), ChannelsLastInstanceNorm),
        (nn.InstanceNorm3d(4), ChannelsLastInstanceNorm),
        (nn.GroupNorm(2, 4), ChannelsLastGroupNorm),
        (nn.GroupNorm(1, 4, affine=False), ChannelsLastGroupNorm),
    ],
)
def test_normalisation_is_exact_far_from_zero(norm, twin, last):
    torch.manual_seed(0)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    image = torch.randn(2, 4, 40, 36, 44) + 30
    exact = copy.deepcopy(norm).double()(image.double())
    image = image.contiguous(memory_format=torch.channels_last_3d if last else torch.contiguous_format)
    torch.testing.assert_close(twin(norm)(image).double(), exact, atol=1e-5, rtol=0)
