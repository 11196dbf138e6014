"""Which deepisles this is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PACKAGE_PARENT = Path(__file__).resolve().parent.parent
REVISION_FILE = "REVISION"
"""Written beside the package when an image is built, where there is no git."""


def find_revision() -> str | None:
    """Find the git revision that the code comes from; None where it cannot be told."""
    stamp = PACKAGE_PARENT / REVISION_FILE
    if stamp.is_file():
        return stamp.read_text(encoding="utf-8").strip() or None
    git = shutil.which("git")
    if git is None or not (PACKAGE_PARENT / ".git").exists():
        return None
    asked = subprocess.run(  # noqa: S603 - git, with fixed arguments
        [git, "-C", str(PACKAGE_PARENT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None
