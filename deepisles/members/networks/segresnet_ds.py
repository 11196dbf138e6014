"""MONAI's SegResNetDS (NVAUTO)."""

from __future__ import annotations

from monai.networks.nets import SegResNetDS
from torch import nn

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import SegResNetDSSpec

_NORMS = {
    "batch": ("batch", {"affine": True}),
    "instance": ("instance", {"affine": False}),
    "instance_affine": ("instance", {"affine": True}),
}
"""MONAI 0.9 and later take these alike."""


def build_segresnet_ds(spec: SegResNetDSSpec) -> nn.Module:
    """Build the network with fresh weights.

    Parameters
    ----------
    spec : SegResNetDSSpec
        Its arguments.

    Returns
    -------
    torch.nn.Module
        In eval mode it maps (B, in, x, y, z) to logits (B, out, x, y, z); each axis must be a multiple of
        2 ** (levels - 1).

    Raises
    ------
    WeightsError
        If the description contradicts itself.
    """
    levels = len(spec.blocks_down)
    consistent = (
        levels >= 1
        and len(spec.blocks_up) == levels - 1
        and 1 <= spec.dsdepth <= max(levels - 1, 1)
        and min(spec.in_channels, spec.out_channels, spec.init_filters) >= 1
        and min((*spec.blocks_down, *spec.blocks_up)) >= 0
    )
    if not consistent:
        raise WeightsError("The levels and blocks of an NVAUTO network do not fit together; import its weights again.")
    name, arguments = _NORMS[spec.norm]
    network: nn.Module = SegResNetDS(
        spatial_dims=3,
        init_filters=spec.init_filters,
        in_channels=spec.in_channels,
        out_channels=spec.out_channels,
        act="relu",
        norm=(name, dict(arguments)),
        blocks_down=spec.blocks_down,
        blocks_up=spec.blocks_up,
        dsdepth=spec.dsdepth,
        upsample_mode=spec.upsample_mode,
    )
    return network
