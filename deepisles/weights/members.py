"""From a bundle to members ready to run."""

from __future__ import annotations

import torch

from deepisles.errors import WeightsError
from deepisles.members.member import Member
from deepisles.members.nvauto import Nvauto
from deepisles.members.seals import Seals
from deepisles.members.swan import Swan
from deepisles.weights.bundle import Bundle


def load_member(bundle: Bundle, name: str, device: torch.device) -> Member:
    """Load one member's networks from a bundle onto a device.

    Raises
    ------
    WeightsError
        If the bundle has no weights for it, or they are damaged.
    """
    entries = bundle.manifest.members
    if name == "seals" and entries.seals is not None:
        return Seals(bundle.load_networks(name), entries.seals.settings, device, bundle.digest)
    if name == "nvauto" and entries.nvauto is not None:
        return Nvauto(bundle.load_networks(name), entries.nvauto.settings, device, bundle.digest)
    if name == "swan" and entries.swan is not None:
        return Swan(bundle.load_networks(name), entries.swan.settings, device, bundle.digest)
    raise WeightsError(
        f"The weights bundle {bundle.manifest.name!r} has none for {name.upper()}: "
        f"leave it out with --members, or give another bundle."
    )
