"""Any source's case, read: DICOM goes through dcm2niix first, image files are read as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepisles.case.case import Case
from deepisles.case.files import CaseFiles
from deepisles.case.layouts import is_dicom_place
from deepisles.case.reading import read_case
from deepisles.case.source import CaseSource, SeriesChoice
from deepisles.errors import InputRefused

if TYPE_CHECKING:
    from deepisles.case.dicom.record import DicomRecord, Role
    from deepisles.case.dicom.source_slices import SourceSlices

DICOM_CHECK = "DICOM series told by their tags, slices evenly spaced, one patient"


@dataclass(frozen=True)
class OpenedCase:
    """A case as read, what was made of its DICOM, and the DWI's slices; None where there are none."""

    case: Case
    dicom: DicomRecord | None = None
    dwi_slices: SourceSlices | None = None


def open_case(source: CaseSource, *, with_flair: bool = True, keep_slices: bool = False) -> OpenedCase:
    """Read a case.

    Parameters
    ----------
    source : CaseSource
        Where its images are.
    with_flair : bool
        False leaves the FLAIR alone, where no member looks at it.
    keep_slices : bool
        Whether a segmentation is to refer to the DWI's DICOM slices.

    Raises
    ------
    InputRefused, GeometryError
        If an image is missing or cannot be used.
    OutputError
        If the disk has no room for what zips and series become.
    """
    source = source if with_flair else replace(source, flair=None)
    dicom = _locate_dicom(source, with_flair)
    _check_choice(source.series if with_flair else replace(source.series, flair=None), dicom)
    if not dicom:
        if source.dwi is None or source.adc is None:
            raise InputRefused("DWI and ADC are needed: give both, or the DICOM of a study.")
        return OpenedCase(read_case(CaseFiles(source.dwi, source.adc, source.flair)))
    # pydicom takes a while to import, which image files need not wait for
    from deepisles.case.dicom.images import convert_dicom

    with convert_dicom(source, dicom, keep_slices=keep_slices) as converted:
        case = read_case(converted.files)
    record = converted.record
    told = replace(case, checks=(DICOM_CHECK, *case.checks), warnings=(*record.warnings, *case.warnings))
    return OpenedCase(told, record, converted.dwi_slices)


def _locate_dicom(source: CaseSource, with_flair: bool) -> dict[Role, Path]:
    """Say in which places DICOM is to be looked through, and for which images."""
    given: dict[Role, Path | None] = {"dwi": source.dwi, "adc": source.adc, "flair": source.flair}
    if source.study is not None:
        if any(given.values()):
            raise InputRefused("Give either a study or DWI, ADC and FLAIR, not both.")
        if not is_dicom_place(source.study):
            raise InputRefused("The study is no DICOM: give a folder of DICOM files, or a .zip of one.")
        study: dict[Role, Path] = {"dwi": source.study, "adc": source.study, "flair": source.study}
        return study if with_flair else {role: path for role, path in study.items() if role != "flair"}
    dicom = {role: path for role, path in given.items() if path is not None and is_dicom_place(path)}
    if "dwi" in dicom and source.adc is None:
        dicom["adc"] = dicom["dwi"]
    # the order in which they are picked
    return {role: dicom[role] for role in given if role in dicom}


def _check_choice(choice: SeriesChoice, dicom: dict[Role, Path]) -> None:
    chosen: dict[Role, str | None] = {"dwi": choice.dwi, "adc": choice.adc, "flair": choice.flair}
    for role, series in chosen.items():
        if series is not None and role not in dicom:
            raise InputRefused(
                f"--{role}-series names a series, but the {role.upper()} is not looked for in DICOM: leave it out."
            )
