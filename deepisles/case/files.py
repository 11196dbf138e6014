"""Which files hold a case's images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case, as yet unread.

    Parameters
    ----------
    dwi, adc : Path
        Diffusion-weighted image and apparent diffusion coefficient map.
    flair : Path or None
        FLAIR, if there is one.
    """

    dwi: Path
    adc: Path
    flair: Path | None = None
