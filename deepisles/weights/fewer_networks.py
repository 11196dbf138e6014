"""A bundle with some of its networks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from deepisles.weights.bundle import Bundle
from deepisles.weights.manifest import MANIFEST_NAME, MemberEntries

Chosen = Mapping[str, Sequence[int]]
"""Indices of networks by member; members that are absent have none."""


def take_networks(bundle: Bundle, chosen: Chosen) -> Bundle:
    """Open the same bundle with those networks only."""
    members = {
        name: entry.model_copy(update={"networks": tuple(entry.networks[index] for index in chosen[name])})
        for name, entry in bundle.manifest.members.items()
        if name in chosen
    }
    manifest = bundle.manifest.model_copy(update={"members": MemberEntries.model_validate(members)})
    return Bundle(bundle.folder, manifest, bundle.digest)


def write_part(bundle: Bundle, chosen: Chosen, folder: Path) -> Path:
    """Make a bundle of those networks in a folder, its files linked to where they can be, else copied."""
    part = take_networks(bundle, chosen)
    for _, member in part.manifest.members.items():
        for entry in member.networks:
            place = folder / entry.file
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link((bundle.folder / entry.file).resolve(), place)
            except OSError:
                # another file system
                shutil.copyfile(bundle.folder / entry.file, place)
    (folder / MANIFEST_NAME).write_text(part.manifest.model_dump_json(), encoding="utf-8")
    return folder
