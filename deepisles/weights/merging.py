"""Puts trained networks into a bundle, beside the members that it has already."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from deepisles.members.member import MemberName
from deepisles.members.networks.specs import NetworkSpec
from deepisles.members.settings import NvautoSettings, SealsSettings, SwanSettings
from deepisles.weights.build import list_tensors
from deepisles.weights.bundle import Bundle
from deepisles.weights.manifest import MANIFEST_NAME, Manifest, MemberEntries, NetworkEntry
from deepisles.weights.writing import CARD_NAME, write_bundle

SOURCE = "trained with deepisles train"


@dataclass(frozen=True)
class TrainedNetwork:
    """One network to put into a bundle; `name` tells it from the member's others."""

    name: str
    spec: NetworkSpec
    network: nn.Module


@contextmanager
def put_member(
    destination: Path,
    member: MemberName,
    settings: SealsSettings | NvautoSettings | SwanSettings,
    networks: Sequence[TrainedNetwork],
) -> Iterator[Path]:
    """Add a member to a bundle, or replace it there; other members and files stay.

    Weights are stored in 16 bits: half the size, and the networks' answers agree to about 1e-3 of a logit.

    Parameters
    ----------
    destination : Path
        The bundle, or where it is to be.
    member : str
        Which member.
    settings : SealsSettings, NvautoSettings or SwanSettings
        How it prepares, windows and blends.
    networks : sequence of TrainedNetwork
        In the order in which they are averaged.

    Yields
    ------
    Path
        The folder that becomes the bundle when the `with` block ends: for card and records.

    Raises
    ------
    WeightsError
        If the destination holds something that is not a bundle.
    OutputError
        If it cannot be written.
    """
    with write_bundle(destination) as writer:
        before = None
        if (destination / MANIFEST_NAME).is_file():
            before = Bundle.open(destination).manifest
            shutil.copytree(destination, writer.folder, dirs_exist_ok=True)
            shutil.rmtree(writer.folder / member, ignore_errors=True)
        entries = tuple(
            writer.add_network(f"{member}/{each.name}", each.spec, _halve(list_tensors(each.network)), SOURCE)
            for each in networks
        )
        members = MemberEntries() if before is None else before.members
        manifest = Manifest(name=destination.name, source=SOURCE, members=_replace(members, member, settings, entries))
        card = writer.folder / CARD_NAME
        writer.finish(manifest, card.read_text(encoding="utf-8") if card.is_file() else "")
        yield writer.folder


def _replace(
    members: MemberEntries,
    member: MemberName,
    settings: SealsSettings | NvautoSettings | SwanSettings,
    networks: tuple[NetworkEntry, ...],
) -> MemberEntries:
    made = {member: {"networks": networks, "settings": settings}}
    others = {name: entry for name, entry in members.items() if name != member}
    return MemberEntries.model_validate({**others, **made})


def _halve(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.half() if tensor.dtype == torch.float32 else tensor for name, tensor in tensors.items()}
