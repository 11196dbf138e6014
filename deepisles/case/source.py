"""Where a case's images are, as the user has them: image files, or DICOM."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

LEAVE_OUT = "none"
"""Given as the FLAIR's series: the case goes on without one."""


@dataclass(frozen=True)
class SeriesChoice:
    """Series that the user names, where the rules are not to pick.

    Parameters
    ----------
    dwi, adc, flair : str or None
        Series Number or Series Instance UID; for FLAIR also "none". None: by the rules.
    """

    dwi: str | None = None
    adc: str | None = None
    flair: str | None = None


@dataclass(frozen=True)
class CaseSource:
    """Where the images of one case are.

    Parameters
    ----------
    dwi, adc, flair : Path or None
        An image file, or DICOM: a folder, a .zip or a single file. ADC may be absent where the DWI is DICOM.
    study : Path or None
        Instead of the three, DICOM in which all of them are looked for: a folder or a .zip.
    series : SeriesChoice
        Series that are to be taken from the DICOM.
    """

    dwi: Path | None = None
    adc: Path | None = None
    flair: Path | None = None
    study: Path | None = None
    series: SeriesChoice = field(default_factory=SeriesChoice)
