"""The U-Net that both of SWAN's networks hang on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import UNetSkeletonSpec
from deepisles.members.networks.unet_skeleton import BlockPlace, UNetSkeleton

SPEC = UNetSkeletonSpec(
    in_channels=3,
    out_channels=2,
    stem_width=5,
    widths=(4, 6, 8),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    encoder_depth=(1, 2, 3),
    decoder_depth=(2, 1),
    heads=2,
)


def make_convolution(place: BlockPlace) -> nn.Module:
    return nn.Conv3d(place.in_channels, place.out_channels, kernel_size=1)


def test_every_head_has_the_size_of_its_level() -> None:
    network = UNetSkeleton(SPEC, make_convolution)
    image = torch.rand(2, 3, 9, 8, 12)
    heads = network.all_heads(image)
    # the down-sampling kernel is 2 wide also where the stride is 1, as the original's is
    assert [tuple(head.shape) for head in heads] == [(2, 2, 9, 8, 12), (2, 2, 8, 4, 6)]
    assert torch.equal(network(image), heads[0])


def test_blocks_stand_where_the_depths_say() -> None:
    places: list[BlockPlace] = []

    def remember(place: BlockPlace) -> nn.Module:
        places.append(place)
        return make_convolution(place)

    UNetSkeleton(SPEC, remember)
    encoder, decoder = places[:6], places[6:]
    assert [(p.in_channels, p.out_channels, p.level) for p in encoder] == [
        (5, 4, 0), (6, 6, 1), (6, 6, 1), (8, 8, 2), (8, 8, 2), (8, 8, 2),
    ]  # fmt: skip
    assert [p.is_bridge for p in encoder] == [False, False, False, True, False, False]
    assert [(p.in_channels, p.out_channels, p.level) for p in decoder] == [(12, 6, 1), (6, 6, 1), (8, 4, 0)]
    assert not any(p.is_bridge for p in decoder)


def test_skipped_features_come_before_upsampled_ones() -> None:
    network = UNetSkeleton(SPEC, make_convolution)
    level = network.decoder.blocks[-1]
    nn.init.zeros_(level.blocks[0].weight[:, 4:])
    deeper, skip = torch.rand(1, 6, 4, 4, 4), torch.rand(1, 4, 5, 8, 8)
    assert torch.equal(level(deeper, skip), level(2 * deeper, skip))
    assert not torch.equal(level(deeper, skip), level(deeper, 2 * skip))


def test_a_level_that_keeps_the_resolution_has_no_down_sampling() -> None:
    spec = replace(SPEC, strides=((1, 1, 1), (1, 1, 1), (2, 2, 2)))
    network = UNetSkeleton(spec, make_convolution)
    assert "encoder.blocks.1.blocks.0.bias" in network.state_dict()  # a block; down-sampling has no bias
    assert len(network.encoder.blocks[1].blocks) == 2
    assert network.encoder.blocks[1].blocks[0].in_channels == 4


@pytest.mark.parametrize(
    "change",
    [
        {"strides": ((1, 1, 1), (2, 2, 2))},
        {"encoder_depth": (1, 1)},
        {"decoder_depth": (1, 1, 1)},
        {"encoder_depth": (1, 0, 1)},
        {"heads": 0},
        {"heads": 4},
        {"strides": ((1, 1, 1), (0, 2, 2), (2, 2, 2))},
        {"widths": (4, -6, 8)},
    ],
)
def test_contradicting_descriptions_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="do not fit together"):
        UNetSkeleton(replace(SPEC, **change), make_convolution)
