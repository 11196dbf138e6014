"""What Grand Challenge would reject of an image archive. Python's own library only: it runs where docker runs."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

API_LABEL = "org.grand-challenge.api-method"
API_METHODS = ("exec", "invoke")
HIDDEN_FOLDERS = ("tmp", "input", "output", "opt/ml")
"""Where the platform puts folders of its own, over what the image has there."""
ROOT_USERS = ("", "root", "0")
GB = 1_000_000_000
UNVERIFIED_UPLOAD_BYTES = 2 * GB
VERIFIED_UPLOAD_BYTES = 128 * GB
MAX_JSON_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20
COMPRESSION_MAGIC = (b"\x1f\x8b", b"\xfd7zXZ\x00")


@dataclass
class Findings:
    """What was found of one archive, as sentences.

    Parameters
    ----------
    wrong : list of str
        What the platform rejects, or what fails there.
    notes : list of str
        What is worth knowing.
    """

    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Layer:
    """What matters of one layer: names below the hidden folders, and its passwd if it has one."""

    hidden: list[str] = field(default_factory=list)
    passwd: str | None = None


@dataclass
class _Archive:
    """What one reading from front to back gave: JSON files by name, layers by name, links, digests."""

    documents: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    layers: dict[str, _Layer] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def check_image(path: Path) -> Findings:
    """Check an image archive as `docker save` or `export.sh` writes it.

    Parameters
    ----------
    path : Path
        The archive, compressed or not.

    Returns
    -------
    Findings
        Nothing wrong: the platform's upload check passes, and what it mounts hides nothing of the image.
    """
    findings = Findings()
    _check_size(path, findings)
    try:
        archive = _read_archive(path)
    except (tarfile.TarError, EOFError, OSError, ValueError):
        findings.wrong.append("It is not a whole tar archive (.tar, .tar.gz or .tar.xz): save the image again.")
        return findings
    entry = _check_manifest(archive, findings)
    if entry is not None and (config := _check_config(archive, entry, findings)) is not None:
        layers = [_follow(archive, name) for name in entry.get("Layers") or []]
        if None in layers:
            findings.wrong.append("Layers that manifest.json names are missing: save the image again.")
        _check_settings(config, [layer for layer in layers if layer is not None], findings)
    return findings


def _check_size(path: Path, findings: Findings) -> None:
    size = path.stat().st_size
    if size > VERIFIED_UPLOAD_BYTES:
        findings.wrong.append(f"It has {size / GB:.1f} GB; uploads may have 128 GB at most.")
    elif size > UNVERIFIED_UPLOAD_BYTES:
        findings.notes.append(f"It has {size / GB:.1f} GB; above 2 GB your account must be verified.")
    with path.open("rb") as file:
        start = file.read(6)
    if not start.startswith(COMPRESSION_MAGIC):
        findings.notes.append("It is not compressed; gzip makes the upload a good deal smaller.")


def _read_archive(path: Path) -> _Archive:
    """Read it once, from front to back: it has gigabytes."""
    archive = _Archive()
    with tarfile.open(path, "r|*") as outer:
        for member in outer:
            name = member.name.removeprefix("./")
            if member.issym() or member.islnk():
                archive.links[name] = _resolve_link(name, member)
                continue
            file = outer.extractfile(member)
            if file is None:
                continue
            start = file.read(1)
            if start in (b"{", b"[") and member.size <= MAX_JSON_BYTES:
                content = start + file.read()
                archive.digests[name] = hashlib.sha256(content).hexdigest()
                archive.documents[name] = json.loads(content)
            else:
                layer = _read_layer(_Prefixed(start, file))
                if layer is not None:
                    archive.layers[name] = layer
    return archive


def _resolve_link(name: str, member: tarfile.TarInfo) -> str:
    if member.islnk():
        return member.linkname.removeprefix("./")
    parts: list[str] = name.split("/")[:-1]
    for part in member.linkname.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class _Prefixed:
    """A stream whose first byte was read already."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start, self._rest = start, rest

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        start, self._start = self._start[:size] if size >= 0 else self._start, b""
        return start + self._rest.read(size - len(start) if size >= 0 else -1)


def _read_layer(stream: _Prefixed) -> _Layer | None:
    """Read a layer; None if it is something else."""
    layer = _Layer()
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as inner:  # type: ignore[call-overload]
            for member in inner:
                name = member.name.removeprefix("./").strip("/")
                if any(name.startswith(f"{folder}/") for folder in HIDDEN_FOLDERS) and not member.isdir():
                    layer.hidden.append(f"/{name}")
                elif name == "etc/passwd" and (file := inner.extractfile(member)) is not None:
                    layer.passwd = file.read(MAX_JSON_BYTES).decode(errors="replace")
    except tarfile.ReadError:
        # no tar; or the archive around it was cut, which reading on brings to light
        while stream.read(CHUNK_BYTES):
            pass
        return None
    return layer


def _follow(archive: _Archive, name: str) -> _Layer | None:
    return archive.layers.get(archive.links.get(name, name))


def _check_manifest(archive: _Archive, findings: Findings) -> dict[str, Any] | None:
    manifest = archive.documents.get("manifest.json")
    if not isinstance(manifest, list):
        findings.wrong.append("It has no manifest.json, so it is not what `docker save` writes: save the image again.")
        return None
    if len(manifest) != 1:
        findings.wrong.append(
            f"It holds {len(manifest)} images where the platform takes one: save NAME:TAG, not the bare name."
        )
        return None
    entry: dict[str, Any] = manifest[0]
    if len(entry.get("RepoTags") or []) != 1:
        findings.notes.append("Its image has no name, or several: save NAME:TAG, so that you know it again.")
    return entry


def _check_config(archive: _Archive, entry: dict[str, Any], findings: Findings) -> dict[str, Any] | None:
    name = str(entry.get("Config", ""))
    # Docker 25 and later, and before
    digest = re.fullmatch(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?", name)
    config = archive.documents.get(archive.links.get(name, name))
    if digest is None or not isinstance(config, dict):
        findings.wrong.append("Its configuration is missing or not named by a digest of 64 digits: save it again.")
        return None
    if archive.digests[archive.links.get(name, name)] != digest[1]:
        findings.wrong.append("Its configuration is not what its digest says: save the image again.")
    return config


def _check_settings(config: dict[str, Any], layers: list[_Layer], findings: Findings) -> None:
    settings = config.get("config") or {}
    _check_user(str(settings.get("User") or ""), layers, findings)
    if (config.get("architecture"), config.get("os")) != ("amd64", "linux"):
        findings.wrong.append(
            f"It is built for {config.get('os')}/{config.get('architecture')}; the platform runs linux/amd64: "
            "build with --platform linux/amd64."
        )
    labels = {str(key).lower(): str(value) for key, value in (settings.get("Labels") or {}).items()}
    method = labels.get(API_LABEL, "exec").strip("'\"").lower()
    if method not in API_METHODS:
        findings.wrong.append(f"Its label {API_LABEL} is {method!r}; it must be exec or invoke, or not be there.")
    else:
        how = "once per case (exec)" if method == "exec" else "as a server (invoke)"
        findings.notes.append(f"The platform will run it {how}.")
    if not (settings.get("Entrypoint") or settings.get("Cmd")):
        findings.wrong.append("It has neither entry point nor command, and the platform gives none: set ENTRYPOINT.")
    hidden = [name for layer in layers for name in layer.hidden if not name.rpartition("/")[2].startswith(".wh.")]
    if hidden:
        findings.wrong.append(
            f"{len(hidden)} of its files cannot be seen on the platform, which mounts folders over /tmp, /input, "
            f"/output and /opt/ml (the first is {hidden[0]}): put them elsewhere, for example below /opt/app."
        )


def _check_user(user: str, layers: list[_Layer], findings: Findings) -> None:
    name = user.partition(":")[0]
    if name in ROOT_USERS:
        findings.wrong.append("It runs as root: end the Dockerfile with USER and somebody else.")
        return
    # the last layer that has the file is what a container sees
    passwd = next((layer.passwd for layer in reversed(layers) if layer.passwd is not None), "")
    known = set(_list_users(passwd))
    if name not in known:
        findings.wrong.append(f"Its user {name} is not in its /etc/passwd, where the platform looks: add it there.")


def _list_users(passwd: str) -> Iterator[str]:
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) > 2:
            yield from (fields[0], fields[2])
