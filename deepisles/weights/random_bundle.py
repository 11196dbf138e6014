"""Bundles of random weights: as large as the real ones, to measure speed with where those are not at hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import NetworkSpec, TorchScriptSpec
from deepisles.weights.build import list_tensors, outline_network
from deepisles.weights.bundle import Bundle
from deepisles.weights.bundle_plan import BundlePlan, MemberPlan, Settings, plan_like
from deepisles.weights.fetching.free_space import check_space
from deepisles.weights.initial_values import fill_at_random
from deepisles.weights.manifest import Manifest, MemberEntries, NetworkEntry, NvautoEntry, SealsEntry, SwanEntry
from deepisles.weights.writing import BundleWriter, check_destination, write_bundle

PUBLISHED = "published"
CARD = """# {name}

**Random numbers. These networks find nothing.** They were drawn by a random number generator (seed {seed}) and have
never seen an image; `deepisles weights random` made them for measuring speed and memory, which do not depend on what
the numbers are. What a mask made with them shows is noise.

What is here: {members}, as large as those of `{like}`.

Every report made with them says so. Never use their output for a patient, and give them to nobody as weights.
"""


def find_plan(like: str) -> BundlePlan:
    """Find what a bundle like another one is to hold.

    Parameters
    ----------
    like : str
        "published", or the folder of a bundle.

    Raises
    ------
    WeightsError
        If it is neither, or holds networks that cannot be made anew.
    """
    if like == PUBLISHED:
        # only this case needs it
        from deepisles.weights.published_sizes import PUBLISHED_SIZES

        return PUBLISHED_SIZES
    plan = plan_like(Bundle.open(Path(like)).manifest)
    if any(isinstance(spec, TorchScriptSpec) for spec in plan.list_specs()):
        raise WeightsError(
            f"{like} holds TorchScript archives, whose networks cannot be made with other weights; give another bundle."
        )
    return plan


def write_random_bundle(destination: Path, like: str = PUBLISHED, seed: int = 0) -> Manifest:
    """Write a bundle of random weights; only one network is in memory at a time.

    The same seed gives the same bundle on the same kind of machine.

    Parameters
    ----------
    destination : Path
        Folder for the bundle; new, empty, or an older bundle, which is replaced.
    like : str
        What it is to be as large as: "published", or the folder of a bundle.
    seed : int
        Of the random numbers.

    Returns
    -------
    Manifest
        What bundle.json holds.

    Raises
    ------
    WeightsError
        If there is no such plan, or the destination holds something else.
    OutputError
        If the disk has no room for it, or it cannot be written.
    """
    plan = find_plan(like)
    check_destination(destination)
    needed_bytes = sum(count_bytes(spec) for spec in plan.list_specs())
    check_space(destination, needed_bytes, "the random weights")
    with write_bundle(destination) as writer:
        write = _RandomNetworks(writer, seed).write
        members = MemberEntries(
            seals=SealsEntry(settings=plan.seals.settings, networks=write(plan.seals)) if plan.seals else None,
            nvauto=NvautoEntry(settings=plan.nvauto.settings, networks=write(plan.nvauto)) if plan.nvauto else None,
            swan=SwanEntry(settings=plan.swan.settings, networks=write(plan.swan)) if plan.swan else None,
        )
        source = f"random numbers, seed {seed}: nothing was trained"
        manifest = Manifest(name=f"random-{plan.name}", source=source, is_random=True, members=members)
        counts = ", ".join(f"{len(entry.networks)} networks of {member.upper()}" for member, entry in members.items())
        writer.finish(manifest, CARD.format(name=manifest.name, seed=seed, members=counts, like=plan.name))
    return manifest


class _RandomNetworks:
    """Writes one network after the other, from one stream of random numbers."""

    def __init__(self, writer: BundleWriter, seed: int) -> None:
        self._writer = writer
        self._generator = torch.Generator().manual_seed(seed)

    def write(self, member: MemberPlan[Settings]) -> tuple[NetworkEntry, ...]:
        return tuple(self._write_network(name, spec) for name, spec in member.networks)

    def _write_network(self, name: str, spec: NetworkSpec) -> NetworkEntry:
        network = outline_network(spec).to_empty(device="cpu")
        fill_at_random(network, self._generator)
        return self._writer.add_network(name, spec, list_tensors(network))


@cache
def count_bytes(spec: NetworkSpec) -> int:
    """Count the bytes that a network's tensors take."""
    return sum(tensor.nbytes for tensor in list_tensors(outline_network(spec)).values())
