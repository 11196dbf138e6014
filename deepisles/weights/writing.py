"""Writes a bundle: all of it appears at once, or nothing does."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from safetensors.torch import save
from torch import Tensor

from deepisles.errors import OutputError, WeightsError
from deepisles.members.networks.specs import NetworkSpec
from deepisles.weights.manifest import MANIFEST_NAME, Manifest, NetworkEntry

CARD_NAME = "MODEL_CARD.md"


class BundleWriter:
    """Writes networks, manifest and card into a folder that is not yet the bundle.

    Parameters
    ----------
    folder : Path
        An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add_network(
        self,
        name: str,
        spec: NetworkSpec,
        tensors: Mapping[str, Tensor],
        source: str = "",
        source_sha256: str | None = None,
    ) -> NetworkEntry:
        """Write a network's tensors as safetensors.

        Parameters
        ----------
        name : str
            Path inside the bundle, without its ending, for example "seals/fold0".
        spec : NetworkSpec
            What the network looks like.
        tensors : mapping of str to Tensor
            All of its parameters and saved buffers (`build.list_tensors`).
        source, source_sha256 : str
            Path and digest of the file it came from.

        Returns
        -------
        NetworkEntry
            For the manifest.
        """
        content = save({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()})
        parameters = sum(tensor.numel() for tensor in tensors.values() if tensor.is_floating_point())
        return self._write(f"{name}.safetensors", content, parameters, spec, source, source_sha256)

    def add_archive(
        self, name: str, spec: NetworkSpec, archive: bytes, parameters: int, source: str, source_sha256: str
    ) -> NetworkEntry:
        """Write a TorchScript archive as it is; arguments as in `add_network`."""
        return self._write(f"{name}.ts", archive, parameters, spec, source, source_sha256)

    def finish(self, manifest: Manifest, card: str) -> None:
        """Write bundle.json and the model card."""
        (self.folder / CARD_NAME).write_text(card, encoding="utf-8")
        # said only where it is true, so that every other bundle stays byte for byte what it was
        text = manifest.model_dump_json(indent=1, exclude=None if manifest.is_random else {"is_random"})
        (self.folder / MANIFEST_NAME).write_text(f"{text}\n", encoding="utf-8")

    def _write(
        self,
        file: str,
        content: bytes,
        parameters: int,
        spec: NetworkSpec,
        source: str,
        source_sha256: str | None,
    ) -> NetworkEntry:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return NetworkEntry(
            file=file,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            parameters=parameters,
            architecture=spec,
            source=source,
            source_sha256=source_sha256,
        )


@contextmanager
def write_bundle(destination: Path, replace: bool = True) -> Iterator[BundleWriter]:
    """Write a bundle beside its place and move it there once complete.

    Parameters
    ----------
    destination : Path
        The bundle's folder.
    replace : bool
        Whether an older bundle there is replaced; if not, it stays and the new one is dropped.

    Yields
    ------
    BundleWriter
        To write with; call its `finish` last.

    Raises
    ------
    WeightsError
        If the destination holds something that is not a bundle.
    OutputError
        If it cannot be written.
    """
    check_destination(destination)
    place = destination.resolve()
    partial = place.with_name(f".{place.name}.{uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        yield BundleWriter(partial)
        _move(partial, place, replace)
    except OSError as error:
        raise OutputError(f"The bundle cannot be written to {destination}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_destination(destination: Path) -> None:
    """Check that a bundle may be written to a place.

    Raises
    ------
    WeightsError
        If it holds something that is not a bundle.
    """
    is_free = not destination.exists() or (destination.is_dir() and not any(destination.iterdir()))
    if not is_free and not (destination / MANIFEST_NAME).is_file():
        raise WeightsError(f"{destination} holds something that is no weights bundle; give a new or empty folder.")


def _move(partial: Path, destination: Path, replace: bool) -> None:
    try:
        partial.rename(destination)  # also over an empty folder
        return
    except OSError:
        if not (destination / MANIFEST_NAME).is_file():
            raise
    if replace:
        # over a folder that has content takes two steps
        old = partial.with_suffix(".old")
        destination.rename(old)
        partial.rename(destination)
        shutil.rmtree(old, ignore_errors=True)
