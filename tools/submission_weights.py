"""What fails on Grand Challenge of a weights archive. Python's own library only: it runs where docker runs."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from submission_image import GB, VERIFIED_UPLOAD_BYTES, Findings

MANIFEST_NAME = "bundle.json"
DESTINATION = "/opt/ml/model"
CHUNK_BYTES = 1 << 20


def check_weights(path: Path) -> Findings:
    """Check that the platform unpacks model.tar.gz, and that the container finds a whole bundle then.

    Parameters
    ----------
    path : Path
        The archive.

    Returns
    -------
    Findings
        Nothing wrong: it is a bundle that lies directly below /opt/ml/model, each file what its digest says.
    """
    findings = Findings()
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    if not is_gzip:
        findings.wrong.append("It is not compressed by gzip, which the platform wants whatever the name says.")
        return findings
    if path.stat().st_size > VERIFIED_UPLOAD_BYTES:
        findings.wrong.append(f"It has {path.stat().st_size / GB:.1f} GB; uploads may have 128 GB at most.")
    digests: dict[str, str] = {}
    manifest: Any = None
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./").rstrip("/")
                if (reason := _why_refused(member)) is not None:
                    findings.wrong.append(f"The platform refuses to unpack it: {reason}.")
                file_inside = archive.extractfile(member) if member.isfile() else None
                if file_inside is None:
                    continue
                if name == MANIFEST_NAME:
                    content = file_inside.read()
                    manifest = json.loads(content)
                    digests[name] = hashlib.sha256(content).hexdigest()
                else:
                    digests[name] = _digest(file_inside)
    except (tarfile.TarError, EOFError, OSError):
        findings.wrong.append("It is cut short or damaged: pack it again with export.sh.")
        return findings
    except ValueError:
        findings.wrong.append(f"Its {MANIFEST_NAME} is not JSON: make the bundle again.")
        return findings
    _check_bundle(manifest, digests, findings)
    return findings


def _why_refused(member: tarfile.TarInfo) -> str | None:
    """Ask Python's own filter, which is what the platform unpacks with."""
    try:
        tarfile.data_filter(member, DESTINATION)
    except tarfile.FilterError as error:
        kinds = {
            "AbsolutePathError": "has an absolute path",
            "OutsideDestinationError": "leads out of the folder",
            "AbsoluteLinkError": "is a link with an absolute path",
            "LinkOutsideDestinationError": "is a link that leads out of the folder",
            "SpecialFileError": "is neither file, folder nor link",
        }
        return f"{member.name} {kinds.get(type(error).__name__, 'is not allowed')}"
    if member.name.startswith("/"):
        # the filter strips the slash; the file lies elsewhere than it says
        return f"{member.name} has an absolute path"
    return None


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _check_bundle(manifest: Any, digests: dict[str, str], findings: Findings) -> None:  # noqa: ANN401 - any JSON
    if manifest is None:
        nested = sorted(name for name in digests if name.endswith(f"/{MANIFEST_NAME}"))
        where = f" (it is in {nested[0].rpartition('/')[0]}/)" if nested else ""
        findings.wrong.append(
            f"{MANIFEST_NAME} does not lie at its top{where}: pack the bundle's contents, not its folder."
        )
        return
    if not isinstance(manifest, dict) or manifest.get("format") != "deepisles-bundle":
        findings.wrong.append(f"Its {MANIFEST_NAME} does not describe a weights bundle: make the bundle again.")
        return
    for entry in _list_networks(manifest):
        if entry.get("file") not in digests:
            findings.wrong.append(f"The network {entry.get('file')} is missing: pack the bundle again.")
        elif digests[str(entry["file"])] != entry.get("sha256"):
            findings.wrong.append(f"The network {entry['file']} is not what its digest says: make the bundle again.")
    findings.notes.append(f"The bundle is called {manifest.get('name')!r}.")


def _list_networks(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for member in (manifest.get("members") or {}).values():
        yield from (member or {}).get("networks", [])
