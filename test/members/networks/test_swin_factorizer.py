"""Swin Factorizer: names, sizes and behaviour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import SwinFactorizerSpec, UNetSkeletonSpec
from deepisles.members.networks.swin_factorizer import build_swin_factorizer

Shifts = tuple[tuple[int, int, int] | None, ...]
FOUR_SHIFTS: Shifts = (None, (1, 1, 1), (2, 2, 2), (3, 3, 3))
TWO_SHIFTS: Shifts = (None, (2, 2, 2))


def make_spec(widths: tuple[int, ...], head_dim: int, shifts: Shifts, mlp_ratio: float) -> SwinFactorizerSpec:
    levels = len(widths)
    skeleton = UNetSkeletonSpec(
        in_channels=3,
        out_channels=1,
        stem_width=widths[0],
        widths=widths,
        strides=((1, 1, 1),) + ((2, 2, 2),) * (levels - 1),
        encoder_depth=(1,) * levels,
        decoder_depth=(1,) * (levels - 1),
        heads=3,
    )
    return SwinFactorizerSpec(
        skeleton,
        spatial_size=(64, 64, 64),
        pos_embed=True,
        head_dim=head_dim,
        patch_size=(4, 4, 4),
        shifts=shifts,
        rank=1,
        iterations=5,
        mlp_ratio=mlp_ratio,
        dropout=0.1,
        nmf_dropout=0.1,
        mlp_dropout=0.1,
    )


SMALL = (8, 16, 24, 32, 40)
FULL = (32, 64, 128, 256, 512)
TINY = SwinFactorizerSpec(
    UNetSkeletonSpec(
        in_channels=2,
        out_channels=1,
        stem_width=4,
        widths=(4, 8),
        strides=((1, 1, 1), (2, 2, 2)),
        encoder_depth=(1, 1),
        decoder_depth=(1,),
        heads=2,
    ),
    spatial_size=(8, 4, 12),
    pos_embed=True,
    head_dim=2,
    patch_size=(2, 2, 2),
    shifts=(None, (1, 0, 1)),
    rank=2,
    iterations=3,
    mlp_ratio=1.5,
)
IMAGE = torch.rand(2, 2, 8, 4, 12, generator=torch.Generator().manual_seed(1))


def build_tiny(**changes: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_swin_factorizer(replace(TINY, **changes)).eval()


@pytest.mark.parametrize(
    ("widths", "head_dim", "shifts", "mlp_ratio", "listing"),
    [
        (SMALL, 8, FOUR_SHIFTS, 2.0, "keys_dev_swin-factorizer"),
        (SMALL, 4, TWO_SHIFTS, 4.0, "keys_dev_swin-factorizer-b"),
        (FULL, 8, FOUR_SHIFTS, 2.0, "keys_real_swin-factorizer"),
        (FULL, 4, TWO_SHIFTS, 4.0, "keys_real_swin-factorizer-b"),
    ],
)
def test_names_and_shapes_are_the_checkpoints(
    golden: Path, widths: tuple[int, ...], head_dim: int, shifts: Shifts, mlp_ratio: float, listing: str
) -> None:
    lines = (golden / "expected" / "swan" / "keys" / f"{listing}.txt").read_text().splitlines()
    with torch.device("meta"):
        tensors = build_swin_factorizer(make_spec(widths, head_dim, shifts, mlp_ratio)).state_dict()
    found = [[f"net.{name}", str(tuple(tensor.shape))] for name, tensor in tensors.items()]
    assert sorted(found) == sorted(line.split("\t")[:2] for line in lines)


@pytest.mark.parametrize(
    ("head_dim", "shifts", "mlp_ratio", "parameters", "buffer_values"),
    [(8, FOUR_SHIFTS, 2.0, 5_624_547, 648), (4, TWO_SHIFTS, 4.0, 7_372_387, 612)],
)
def test_published_sizes(head_dim: int, shifts: Shifts, mlp_ratio: float, parameters: int, buffer_values: int) -> None:
    with torch.device("meta"):
        network = build_swin_factorizer(make_spec(FULL, head_dim, shifts, mlp_ratio))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert sum(b.numel() for b in network.buffers()) == buffer_values


def test_every_head_has_the_size_of_its_level() -> None:
    network = build_tiny()
    heads = network.all_heads(IMAGE)
    assert [tuple(head.shape) for head in heads] == [(2, 1, 8, 4, 12), (2, 1, 4, 2, 6)]
    assert torch.equal(network(IMAGE), heads[0])


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    network = build_tiny()
    torch.testing.assert_close(network(IMAGE.flip(0)), network(IMAGE).flip(0))
    torch.testing.assert_close(network(IMAGE[:1]), network(IMAGE)[:1])


def test_sub_blocks_run_in_the_order_given() -> None:
    first = build_tiny(sub_blocks=("nmf", "mlp"))
    second = build_tiny(sub_blocks=("mlp", "nmf"))
    second.load_state_dict(first.state_dict())
    assert (first(IMAGE) - second(IMAGE)).abs().max() > 1e-3


def test_position_embedding_is_optional_and_only_in_the_bridge() -> None:
    positions = [name for name in build_tiny().state_dict() if "pos_embed" in name]
    assert positions == ["encoder.blocks.1.blocks.1.pos_embed.pos"]
    assert not [name for name in build_tiny(pos_embed=False).state_dict() if "pos_embed" in name]


def test_dropout_has_the_rates_given_and_is_off_at_inference() -> None:
    network = build_tiny(dropout=0.1, nmf_dropout=0.2, mlp_dropout=0.3)
    rates = sorted(m.p for m in network.modules() if isinstance(m, nn.Dropout))
    # one adapter and one position embedding; per block one behind the factorisation and two in the perceptron
    assert rates == [0.1] * 2 + [0.2] * 3 + [0.3] * 6
    assert torch.equal(network(IMAGE), network(IMAGE))
    network.train()
    assert not torch.equal(network(IMAGE), network(IMAGE))


def test_all_parameters_learn() -> None:
    network = build_tiny(dropout=0.1)
    network.train()
    sum(head.square().sum() for head in network.all_heads(IMAGE)).backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_other_window_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="takes"):
        build_tiny()(torch.rand(1, 2, 8, 8, 8))


@pytest.mark.parametrize(
    "change", [{"patch_size": (4, 4, 4)}, {"head_dim": 3}, {"head_dim": 0}, {"shifts": ()}, {"rank": 0}]
)
def test_contradicting_descriptions_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="do not fit together"):
        build_tiny(**change)
