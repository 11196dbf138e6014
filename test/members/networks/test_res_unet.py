"""ResU-Net: names, sizes and behaviour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from deepisles.errors import WeightsError
from deepisles.members.networks.res_unet import build_res_unet
from deepisles.members.networks.specs import ResUNetSpec, UNetSkeletonSpec


def make_spec(widths: tuple[int, ...] = (8, 16, 24, 32, 40), norm_groups: int = 8) -> ResUNetSpec:
    levels = len(widths)
    skeleton = UNetSkeletonSpec(
        in_channels=3,
        out_channels=1,
        stem_width=widths[0],
        widths=widths,
        strides=((1, 1, 1),) + ((2, 2, 2),) * (levels - 1),
        encoder_depth=(1,) * levels,
        decoder_depth=(1,) * (levels - 1),
        heads=min(3, levels),
    )
    return ResUNetSpec(skeleton, norm_groups, negative_slope=0.01)


TINY = make_spec()
PUBLISHED = make_spec((32, 64, 128, 256, 512))


@pytest.mark.parametrize(("spec", "listing"), [(TINY, "dev"), (PUBLISHED, "real")])
def test_names_and_shapes_are_the_checkpoints(golden: Path, spec: ResUNetSpec, listing: str) -> None:
    lines = (golden / "expected" / "swan" / "keys" / f"keys_{listing}_resunet.txt").read_text().splitlines()
    expected = [line.split("\t")[:2] for line in lines]
    with torch.device("meta"):
        tensors = build_res_unet(spec).state_dict()
    assert [[f"net.{name}", str(tuple(tensor.shape))] for name, tensor in tensors.items()] == expected


def test_published_size() -> None:
    with torch.device("meta"):
        network = build_res_unet(PUBLISHED)
    assert sum(p.numel() for p in network.parameters()) == 28_877_667


def test_block_is_residual_with_leaky_activations() -> None:
    torch.manual_seed(0)
    spec = replace(make_spec((4,), norm_groups=2), negative_slope=0.2)
    block = build_res_unet(spec).encoder.blocks[0].blocks[0]
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    features = torch.randn(1, 4, 5, 6, 7)
    inner = functional.leaky_relu(block.norm1(block.conv1(features)), 0.2)
    expected = functional.leaky_relu(block.norm2(block.conv2(inner)) + features, 0.2)
    torch.testing.assert_close(block(features.clone()), expected)


def test_normalisation_keeps_its_precision_in_channels_last_memory() -> None:
    norm = build_res_unet(make_spec((8,))).encoder.blocks[0].blocks[0].norm1
    features = 30 + torch.randn(1, 8, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    found = norm(features.contiguous(memory_format=torch.channels_last_3d))
    expected = functional.group_norm(features.double(), 8)
    assert (found - expected).abs().max() < 1e-5


def test_dropout_is_in_the_network_and_off_at_inference() -> None:
    torch.manual_seed(0)
    network = build_res_unet(replace(make_spec((4, 8), norm_groups=2), dropout=0.3))
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.3] * 3
    image = torch.randn(1, 3, 4, 4, 4)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


def test_anisotropic_strides_keep_the_output_on_the_input() -> None:
    spec = make_spec((4, 8, 8), norm_groups=4)
    skeleton = replace(
        spec.skeleton, strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)), encoder_depth=(2, 1, 2), decoder_depth=(1, 2)
    )
    network = build_res_unet(replace(spec, skeleton=skeleton))
    assert network(torch.rand(1, 3, 9, 16, 12)).shape == (1, 1, 9, 16, 12)


@pytest.mark.parametrize("norm_groups", [0, 3])
def test_groups_that_do_not_divide_the_widths_are_refused(norm_groups: int) -> None:
    with pytest.raises(WeightsError, match="groups"):
        build_res_unet(make_spec((8, 16), norm_groups=norm_groups))
