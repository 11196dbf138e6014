"""Where training cases lie: ISLES'22's BIDS-like folders, or a table of files."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deepisles.case.files import CaseFiles
from deepisles.errors import InputRefused

SESSION = "ses-0001"
RAW, DERIVED = "rawdata", "derivatives"
"""Folders of ISLES'22 (Hernandez Petzsche et al. 2022): images, and masks."""
COLUMNS = ("dwi", "adc", "mask")
"""Columns that a table must have; `flair` and `case` may be there too."""


@dataclass(frozen=True)
class TrainingCase:
    """The files of one case with an expert's mask.

    Parameters
    ----------
    name : str
        Tells cases apart.
    dwi, adc, mask : Path
        Images and the lesion mask, on one grid.
    flair : Path or None
        FLAIR, if there is one.
    """

    name: str
    dwi: Path
    adc: Path
    mask: Path
    flair: Path | None = None

    @property
    def images(self) -> CaseFiles:
        """The images, without the mask."""
        return CaseFiles(self.dwi, self.adc, self.flair)


def name_case(folder: Path, number: int) -> TrainingCase:
    """Name the files of a case to be written, as ISLES'22 names its own."""
    subject = f"sub-strokecase{number:06d}"
    stem = f"{subject}_{SESSION}"
    images, masks = folder / RAW / subject / SESSION, folder / DERIVED / subject / SESSION
    return TrainingCase(
        name=subject,
        dwi=images / "dwi" / f"{stem}_dwi.nii.gz",
        adc=images / "dwi" / f"{stem}_adc.nii.gz",
        flair=images / "anat" / f"{stem}_FLAIR.nii.gz",
        mask=masks / f"{stem}_msk.nii.gz",
    )


def find_training_cases(data: Path) -> list[TrainingCase]:
    """Find the cases of a data set, sorted by name.

    Parameters
    ----------
    data : Path
        A folder in ISLES'22's layout (images under rawdata/ or directly under the root, masks under derivatives/), or a
        .csv with the columns dwi, adc, mask and optionally flair and case; its paths may be relative to it.

    Raises
    ------
    InputRefused
        If there is no case with DWI, ADC and mask, or a file of the table is missing.
    """
    if not data.exists():
        raise InputRefused(f"There is no training data at {data}.")
    cases = _read_table(data) if data.is_file() else _search_folder(data)
    if not cases:
        raise InputRefused(
            f"{data} holds no training case: ISLES'22's layout has sub-*/**/*_dwi.nii.gz and *_adc.nii.gz, "
            f"and the masks as derivatives/sub-*/**/*_msk.nii.gz."
        )
    return sorted(cases, key=lambda case: case.name)


def _read_table(path: Path) -> list[TrainingCase]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            rows = list(csv.DictReader(table))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputRefused(f"{path} cannot be read as a table: give a .csv file in UTF-8.") from error
    if rows and not set(COLUMNS) <= rows[0].keys():
        raise InputRefused(f"{path} lacks a column: it needs {', '.join(COLUMNS)}, and may have flair and case.")
    cases = []
    for number, row in enumerate(rows, start=1):
        files = {role: path.parent / row[role] for role in (*COLUMNS, "flair") if row.get(role)}
        absent = [role for role in COLUMNS if role not in files]
        if absent:
            raise InputRefused(f"Row {number} of {path} has no {absent[0]}: fill it in, or take the row out.")
        for role, file in files.items():
            if not file.is_file():
                raise InputRefused(f"Row {number} of {path} names a {role} file that is not there.")
        name = row.get("case") or f"case{number:06d}"
        cases.append(TrainingCase(name, files["dwi"], files["adc"], files["mask"], files.get("flair")))
    return cases


def _search_folder(root: Path) -> list[TrainingCase]:
    masks = {_key(path): path for path in (root / DERIVED).rglob("*_msk.nii.gz")}
    cases = []
    for dwi in root.rglob("*_dwi.nii.gz"):
        if DERIVED in dwi.relative_to(root).parts:
            continue
        session = dwi.parent.parent if dwi.parent.name == "dwi" else dwi.parent
        adc = _first(session.rglob("*_adc.nii.gz"))
        mask = masks.get(_key(dwi))
        if adc is not None and mask is not None:
            flair = _first(path for path in session.rglob("*.nii.gz") if path.name.lower().endswith("_flair.nii.gz"))
            cases.append(TrainingCase(_key(dwi), dwi, adc, mask, flair))
    return cases


def _key(path: Path) -> str:
    """Subject and session, the part of a file's name before its last underscore."""
    return path.name.rpartition("_")[0]


def _first(paths: Iterable[Path]) -> Path | None:
    return min(paths, default=None)
