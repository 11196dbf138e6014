"""A weights bundle as the run time reads it: bundle.json and the files it names, each checked by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from deepisles.errors import WeightsError
from deepisles.members.member import MemberName
from deepisles.members.networks.specs import TorchScriptSpec
from deepisles.weights.build import assemble_network
from deepisles.weights.description import describe_manifest
from deepisles.weights.manifest import MANIFEST_NAME, Manifest, NetworkEntry
from deepisles.weights.torchscript import open_torchscript

MAX_MANIFEST_BYTES = 2**24
THREADS = 4
"""Files that are read, hashed and built at a time; each is held in memory while it is."""
RANDOM_WARNING = (
    "The weights are random numbers made for measuring speed: mask, volumes and lesions mean nothing; "
    "segment again with real weights."
)

_Result = TypeVar("_Result")


class Bundle:
    """An opened bundle; `open` makes one.

    Parameters
    ----------
    folder : Path
        Where it is.
    manifest : Manifest
        What bundle.json says.
    digest : str
        Sha256 of bundle.json; since that holds every file's digest, it stands for the whole bundle.
    """

    def __init__(self, folder: Path, manifest: Manifest, digest: str) -> None:
        self.folder = folder
        self.manifest = manifest
        self.digest = digest

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Open a bundle's folder.

        Raises
        ------
        WeightsError
            If it has no readable bundle.json.
        """
        manifest_path = path / MANIFEST_NAME
        try:
            if manifest_path.stat().st_size > MAX_MANIFEST_BYTES:
                raise WeightsError(f"The {MANIFEST_NAME} in {path} is too large to be one; fetch the bundle again.")
            content = manifest_path.read_bytes()
        except OSError as error:
            raise WeightsError(
                f"{path} is no weights bundle, or it cannot be read: it has no readable {MANIFEST_NAME}; "
                f"give the folder that holds one."
            ) from error
        try:
            manifest = Manifest.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            reason = f"{'.'.join(str(part) for part in first['loc'])} {first['msg']}".strip().splitlines()[0][:200]
            raise WeightsError(
                f"The {MANIFEST_NAME} in {path} is damaged or of another version ({reason}); "
                f"fetch or import the weights again."
            ) from error
        return cls(path, manifest, hashlib.sha256(content).hexdigest())

    @property
    def member_names(self) -> tuple[MemberName, ...]:
        """The members it has weights for, in the ensemble's order."""
        return tuple(name for name, _ in self.manifest.members.items())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What every report of a case must say of these weights."""
        return (RANDOM_WARNING,) if self.manifest.is_random else ()

    def load_networks(self, member_name: str) -> list[nn.Module]:
        """Load a member's networks on the CPU in eval mode, in their order.

        Raises
        ------
        WeightsError
            If the bundle has none for it, or a file is missing, damaged or not what bundle.json says.
        """
        return _map_in_threads(self._load, self._list_entries(member_name))

    def count_bytes(self, member_names: Iterable[str]) -> int:
        """Count the bytes of some members' files, as far as bundle.json tells them."""
        wanted = set(member_names)
        return sum(
            entry.size_bytes or 0
            for name, member in self.manifest.members.items()
            if name in wanted
            for entry in member.networks
        )

    def verify(self) -> None:
        """Check every file against its digest.

        Raises
        ------
        WeightsError
            If one is missing or differs.
        """
        entries = [entry for _, member in self.manifest.members.items() for entry in member.networks]
        _map_in_threads(self._check, entries)

    def describe(self) -> str:
        """Describe the bundle in lines of text: members, networks, sizes, digests."""
        return describe_manifest(self.manifest, self.digest)

    def _list_entries(self, member_name: str) -> tuple[NetworkEntry, ...]:
        for name, member in self.manifest.members.items():
            if name == member_name:
                return member.networks
        raise WeightsError(
            f"The weights bundle {self.manifest.name!r} has no weights for {member_name.upper()}; "
            f"leave it out with --members, or give another bundle."
        )

    def _load(self, entry: NetworkEntry) -> nn.Module:
        content = self._read(entry)
        label = f"{entry.file} in {self.folder}"
        if isinstance(entry.architecture, TorchScriptSpec):
            return open_torchscript(content, label)
        try:
            tensors = load(content)
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise WeightsError(f"{label} is no safetensors file; import or fetch the weights again.") from error
        return assemble_network(entry.architecture, tensors, label)

    def _check(self, entry: NetworkEntry) -> None:
        self._read(entry)

    def _read(self, entry: NetworkEntry) -> bytes:
        """Read a file once; what is returned is what the digest was compared with."""
        path = self.folder / entry.file
        label = f"{entry.file} in {self.folder}"
        try:
            if not path.resolve().is_relative_to(self.folder.resolve()):
                raise WeightsError(f"{label} is a link out of the bundle; put the file itself there.")
            if entry.size_bytes not in (None, path.stat().st_size):
                raise WeightsError(f"{label} has another size than it should; import or fetch the weights again.")
            content = path.read_bytes()
        except OSError as error:
            raise WeightsError(f"{label} is missing or cannot be read; import or fetch the weights again.") from error
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise WeightsError(f"{label} is not what its digest says; import or fetch the weights again.")
        return content


def _map_in_threads(function: Callable[[NetworkEntry], _Result], entries: Iterable[NetworkEntry]) -> list[_Result]:
    with ThreadPoolExecutor(THREADS, thread_name_prefix="weights") as pool:
        return list(pool.map(function, entries))
