"""Finding a case's images in a folder: dwi.*, adc.* and flair.*, folders of those names, or the DICOM of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deepisles.case.dicom.files import holds_dicom, is_dicom
from deepisles.case.formats import ACCEPTED_IN_WORDS, is_accepted
from deepisles.case.source import CaseSource
from deepisles.errors import InputRefused

SIDECAR_SUFFIXES: Final = (".json", ".bval", ".bvec", ".txt", ".tsv", ".md")
"""Files that converters and people put beside images."""
ROLES: Final = ("DWI", "ADC", "FLAIR")


ZIP_SUFFIX: Final = ".zip"


def is_dicom_place(path: Path) -> bool:
    """Whether a path is DICOM by what is there: a .zip, a file, or a folder without image files of other formats."""
    if path.is_dir():
        return not any(is_accepted(entry) for entry in _list(path)) and holds_dicom(path)
    return path.suffix.lower() == ZIP_SUFFIX or (not is_accepted(path) and is_dicom(path))


def find_plain_case(folder: Path) -> CaseSource:
    """Find the images of one case in a folder.

    Parameters
    ----------
    folder : Path
        Holds dwi.*, adc.* and, if there is one, flair.* (any case, .nii, .nii.gz, .mha or DICOM as .zip or one file),
        or folders dwi, adc and flair with one such file each or with DICOM; or is a study: a folder or .zip with DICOM
        under any names, from which the images are picked by their tags. It may be a symbolic link.

    Returns
    -------
    CaseSource
        One file or DICOM place per image, or the study.

    Raises
    ------
    InputRefused
        If the folder is missing or empty, an image is missing or given twice, or a file is in another format.
    """
    if folder.is_file() and is_dicom_place(folder):
        return CaseSource(study=folder)
    if not folder.is_dir():
        raise InputRefused(f"The input folder {folder} was not found: give a folder with dwi, adc and flair images.")
    entries = _list(folder)
    if not entries:
        raise InputRefused(
            f"The input folder {folder} is empty: put dwi, adc and, if there is one, flair there ({ACCEPTED_IN_WORDS}, "
            "or DICOM)."
        )
    study = _find_study(folder, entries)
    if study is not None:
        return CaseSource(study=study)
    dwi = _find_needed_image(folder, entries, "DWI")
    # an ADC map can be found beside a DWI in DICOM, or computed
    adc = _find_image(entries, "ADC") if is_dicom_place(dwi) else _find_needed_image(folder, entries, "ADC")
    return CaseSource(dwi, adc, _find_image(entries, "FLAIR"))


def _find_study(folder: Path, entries: list[Path]) -> Path | None:
    """Find the DICOM of a study, where what is there is not named image by image.

    A study whose folders happen to be called dwi or adc stays one while its FLAIR is called otherwise: the FLAIR is not
    to be overlooked.
    """
    named = {role: _list_named(entries, role) for role in ROLES}
    if all(named.values()) or any(not is_dicom_place(entry) for found in named.values() for entry in found):
        return None
    rest = [entry for entry in entries if all(entry not in found for found in named.values())]
    if not any(named.values()) and len(rest) == 1 and rest[0].suffix.lower() == ZIP_SUFFIX:
        return rest[0]
    if any(is_accepted(entry) for entry in entries):
        return None
    return folder if any(is_dicom(entry) or (entry.is_dir() and holds_dicom(entry)) for entry in rest) else None


def _list_named(entries: list[Path], role: str) -> list[Path]:
    return [
        entry
        for entry in entries
        if entry.name.lower().partition(".")[0] == role.lower()
        and (entry.is_dir() or entry.suffix.lower() not in SIDECAR_SUFFIXES)
    ]


def _find_needed_image(folder: Path, entries: list[Path], role: str) -> Path:
    image = _find_image(entries, role)
    if image is None:
        raise InputRefused(
            f"The input folder {folder} holds no {role} image: put a file called {role.lower()} there "
            f"that ends in {ACCEPTED_IN_WORDS}, or a folder or .zip of DICOM."
        )
    return image


def _find_image(entries: list[Path], role: str) -> Path | None:
    """Find the one image of a role among a folder's entries, be it in any format: refused is better than overlooked."""
    candidates: list[Path] = []
    for entry in _list_named(entries, role):
        if entry.is_dir() and not is_dicom_place(entry):
            candidates += _list_images(entry, role)
        else:
            candidates.append(entry)
    if not candidates:
        return None
    if len(candidates) > 1:
        raise InputRefused(f"There are {len(candidates)} candidates for the {role} image: leave only one of them.")
    if not is_accepted(candidates[0]) and not is_dicom_place(candidates[0]):
        raise InputRefused(
            f"The {role} image is in a format that is not accepted: give a {ACCEPTED_IN_WORDS} file, or DICOM."
        )
    return candidates[0]


def _list_images(folder: Path, role: str) -> list[Path]:
    images = [entry for entry in _list(folder) if entry.suffix.lower() not in SIDECAR_SUFFIXES]
    if not images:
        raise InputRefused(f"The folder of the {role} image is empty: put one {ACCEPTED_IN_WORDS} file there.")
    return images


def _list(folder: Path) -> list[Path]:
    """List a folder in a fixed order; names that begin with a dot are the system's."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputRefused(f"The input folder {folder} cannot be read: check its permissions.") from error
