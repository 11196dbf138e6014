"""NVAUTO's network: MONAI's SegResNetDS with the arguments described."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from monai.networks.nets import SegResNetDS

from deepisles.errors import WeightsError
from deepisles.members.networks.segresnet_ds import build_segresnet_ds
from deepisles.members.networks.specs import SegResNetDSSpec

SPEC = SegResNetDSSpec(2, 2, 4, (1, 0, 2), (1, 2), dsdepth=2, norm="instance_affine")


@pytest.mark.parametrize(
    ("norm", "argument"),
    [("batch", "batch"), ("instance_affine", "instance"), ("instance", ("instance", {"affine": False}))],
)
@pytest.mark.parametrize("upsample_mode", ["deconv", "nontrainable"])
def test_the_network_is_monais(norm: str, argument: object, upsample_mode: str) -> None:
    network = build_segresnet_ds(replace(SPEC, norm=norm, upsample_mode=upsample_mode)).eval()  # type: ignore[arg-type]
    other = SegResNetDS(
        init_filters=4, in_channels=2, out_channels=2, blocks_down=(1, 0, 2), blocks_up=(1, 2), dsdepth=2,
        norm=argument, upsample_mode=upsample_mode,
    ).eval()  # fmt: skip
    other.load_state_dict(network.state_dict())
    image = torch.randn(1, 2, 8, 12, 8)
    with torch.no_grad():
        assert torch.equal(network(image), other(image))


def test_published_size() -> None:
    # the size that the reference assumes of the published networks
    spec = SegResNetDSSpec(2, 2, 32, (1, 2, 2, 4, 4), (1, 1, 1, 1), dsdepth=4, norm="batch")
    with torch.device("meta"):
        network = build_segresnet_ds(spec)
    assert sum(parameter.numel() for parameter in network.parameters()) == 87_165_064


@pytest.mark.parametrize(
    "change", [{"blocks_down": ()}, {"blocks_up": (1,)}, {"dsdepth": 0}, {"dsdepth": 3}, {"init_filters": 0}]
)
def test_contradictions_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="do not fit together"):
        build_segresnet_ds(replace(SPEC, **change))  # type: ignore[arg-type]
