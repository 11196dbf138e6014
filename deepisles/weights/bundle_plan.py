"""What a bundle is to hold, before there are weights: members, their settings and their networks' descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from deepisles.members.networks.specs import NetworkSpec
from deepisles.members.settings import NvautoSettings, SealsSettings, SwanSettings
from deepisles.weights.manifest import Manifest, NvautoEntry, SealsEntry, SwanEntry

Settings = TypeVar("Settings", SealsSettings, NvautoSettings, SwanSettings)


@dataclass(frozen=True)
class MemberPlan(Generic[Settings]):
    """One member: its settings, and its networks by their place in the bundle ("seals/fold0")."""

    settings: Settings
    networks: tuple[tuple[str, NetworkSpec], ...]


@dataclass(frozen=True)
class BundlePlan:
    """The members of a bundle; None for those that it has not."""

    name: str
    seals: MemberPlan[SealsSettings] | None = None
    nvauto: MemberPlan[NvautoSettings] | None = None
    swan: MemberPlan[SwanSettings] | None = None

    def list_specs(self) -> list[NetworkSpec]:
        """List all networks' descriptions, in the ensemble's order."""
        members = (self.seals, self.nvauto, self.swan)
        return [spec for member in members if member is not None for _, spec in member.networks]


def plan_like(manifest: Manifest) -> BundlePlan:
    """Take the plan of a bundle that there is."""
    seals, nvauto, swan = manifest.members.seals, manifest.members.nvauto, manifest.members.swan
    return BundlePlan(
        manifest.name,
        None if seals is None else MemberPlan(seals.settings, _list_networks(seals)),
        None if nvauto is None else MemberPlan(nvauto.settings, _list_networks(nvauto)),
        None if swan is None else MemberPlan(swan.settings, _list_networks(swan)),
    )


def _list_networks(member: SealsEntry | NvautoEntry | SwanEntry) -> tuple[tuple[str, NetworkSpec], ...]:
    return tuple(
        (PurePosixPath(entry.file).with_suffix("").as_posix(), entry.architecture) for entry in member.networks
    )
