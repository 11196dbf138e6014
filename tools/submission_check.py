"""`tools/check_submission`: tells an image archive from a weights archive, and what is wrong with each."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from submission_image import Findings, check_image
from submission_weights import check_weights

USAGE_EXIT_CODE = 2
WRONG_EXIT_CODE = 1
IMAGE_NAMES = ("manifest.json", "index.json", "oci-layout", "repositories")


def main(arguments: Sequence[str], usage: str) -> int:
    """Check the archives that the command line names.

    Returns
    -------
    int
        0 where nothing is wrong, else 1; 2 if the command line is.
    """
    say = sys.stdout.write
    if not arguments or any(argument.startswith("-") for argument in arguments):
        say(usage)
        return 0 if set(arguments) & {"--help", "-h"} else USAGE_EXIT_CODE
    is_wrong = False
    for path in map(Path, arguments):
        if not path.is_file():
            say(f"{path}: there is no such file.\n")
            is_wrong = True
            continue
        is_image = looks_like_an_image(path)
        findings = check_image(path) if is_image else check_weights(path)
        is_wrong |= bool(findings.wrong)
        say(f"{path}: {'image' if is_image else 'weights'}\n")
        say(describe(findings))
    return WRONG_EXIT_CODE if is_wrong else 0


def describe(findings: Findings) -> str:
    """Put findings into lines."""
    lines = [f"  WRONG  {sentence}" for sentence in findings.wrong] or [
        "  ok     Nothing that the platform would reject."
    ]
    lines += [f"  note   {sentence}" for sentence in findings.notes]
    return "\n".join(lines) + "\n"


def looks_like_an_image(path: Path) -> bool:
    """Tell an image archive, by its layers or its own files, from weights; what is damaged goes by its name."""
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name in IMAGE_NAMES or name.startswith("blobs/") or name.endswith((".tar", "/layer.tar")):
                    return True
                if name.endswith((".safetensors", "bundle.json")):
                    return False
    except (tarfile.TarError, EOFError, OSError):
        pass
    return not path.name.startswith("model")
