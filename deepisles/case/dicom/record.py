"""What was made of DICOM, for the report: numbers and this program's words, nothing that names a patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["dwi", "adc", "flair"]
How = Literal["volume", "geometric-mean", "b0-and-dwi"]


@dataclass(frozen=True)
class DicomImage:
    """Where an image came from.

    Parameters
    ----------
    role : str
        "dwi", "adc" or "flair".
    series_number : int or None
        The series it was taken from; of a computed ADC, that of the DWI.
    how : str
        "volume": as stored; "geometric-mean": a trace made of directions; "b0-and-dwi": an ADC made of two b-values.
    reason : str
        The rule that told it.
    chosen_by : str
        "rule" or "user".
    b_value_s_mm2, low_b_value_s_mm2 : float or None
        Of a DWI, or of what a computed ADC was made from.
    directions : int or None
        Volumes that a trace was made of.
    """

    role: Role
    series_number: int | None
    how: How
    reason: str
    chosen_by: Literal["rule", "user"]
    b_value_s_mm2: float | None = None
    low_b_value_s_mm2: float | None = None
    directions: int | None = None


@dataclass(frozen=True)
class OtherVolume:
    """A volume that was not taken: its series' number and what it was taken for."""

    series_number: int | None
    description: str
    reason: str


@dataclass(frozen=True)
class DicomRecord:
    """What was made of a case's DICOM.

    Parameters
    ----------
    images : tuple of DicomImage
        Those that came from DICOM.
    not_taken : tuple of OtherVolume
        The other volumes.
    other_files, unreadable_files : int
        Files that are not DICOM, and DICOM files that are damaged.
    converter : str
        Name and version.
    warnings : tuple of str
        What a person should know.
    """

    images: tuple[DicomImage, ...]
    not_taken: tuple[OtherVolume, ...]
    other_files: int
    unreadable_files: int
    converter: str
    warnings: tuple[str, ...]
