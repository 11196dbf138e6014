"""A bundle in words, for `deepisles weights info`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deepisles.weights.manifest import Manifest, NetworkEntry

_ARCHITECTURES = {
    "plain-conv-unet": "PlainConvUNet",
    "segresnet-ds": "SegResNetDS",
    "torchscript": "TorchScript archive",
    "res-unet": "ResU-Net",
    "swin-factorizer": "Swin Factorizer",
}


def describe_manifest(manifest: Manifest, digest: str) -> str:
    """Describe a bundle: members, networks, parameters, sizes, digests.

    Parameters
    ----------
    manifest : Manifest
        What bundle.json says.
    digest : str
        The bundle's digest.

    Returns
    -------
    str
        Lines of text.
    """
    return "\n".join(_iterate_lines(manifest, digest))


def summarise_member(name: str, networks: Sequence[NetworkEntry]) -> str:
    """Summarise a member in one line: how many networks it has, and their size."""
    total = sum(entry.size_bytes or 0 for entry in networks)
    return f"{name.upper()}: {len(networks)} networks, {_count_megabytes(total)}"


def _iterate_lines(manifest: Manifest, digest: str) -> Iterator[str]:
    yield f"bundle {manifest.name}  {digest}"
    yield f"source {manifest.source}"
    for name, member in manifest.members.items():
        yield summarise_member(name, member.networks)
        for entry in member.networks:
            parameters = "?" if entry.parameters is None else f"{entry.parameters:,}"
            yield (
                f"  {entry.file}  {_ARCHITECTURES[entry.architecture.kind]}  {parameters} parameters  "
                f"{_count_megabytes(entry.size_bytes)}  {entry.sha256}"
            )


def _count_megabytes(size_bytes: int | None) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes else "? MB"
