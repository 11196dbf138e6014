"""Finding a case's images in a folder: dwi.*, adc.* and flair.*, or folders of those names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deepisles.case.files import CaseFiles
from deepisles.case.formats import ACCEPTED_IN_WORDS, is_accepted
from deepisles.errors import InputRefused

SIDECAR_SUFFIXES: Final = (".json", ".bval", ".bvec", ".txt", ".tsv", ".md")
"""Files that converters and people put beside images."""


def find_plain_case(folder: Path) -> CaseFiles:
    """Find the images of one case in a folder.

    Parameters
    ----------
    folder : Path
        Holds dwi.*, adc.* and, if there is one, flair.* (any case, .nii, .nii.gz or .mha), or folders dwi, adc and
        flair with one such file each. It may be a symbolic link.

    Returns
    -------
    CaseFiles
        One file per image.

    Raises
    ------
    InputRefused
        If the folder is missing or empty, an image is missing or given twice, or a file is in another format.
    """
    if not folder.is_dir():
        raise InputRefused(f"The input folder {folder} was not found: give a folder with dwi, adc and flair images.")
    entries = _list(folder)
    if not entries:
        raise InputRefused(
            f"The input folder {folder} is empty: put dwi, adc and, if there is one, flair there ({ACCEPTED_IN_WORDS})."
        )
    return CaseFiles(
        dwi=_find_needed_image(folder, entries, "DWI"),
        adc=_find_needed_image(folder, entries, "ADC"),
        flair=_find_image(entries, "FLAIR"),
    )


def _find_needed_image(folder: Path, entries: list[Path], role: str) -> Path:
    image = _find_image(entries, role)
    if image is None:
        raise InputRefused(
            f"The input folder {folder} holds no {role} image: put a file called {role.lower()} there "
            f"that ends in {ACCEPTED_IN_WORDS}."
        )
    return image


def _find_image(entries: list[Path], role: str) -> Path | None:
    """Find the one image of a role among a folder's entries, be it in any format: refused is better than overlooked."""
    candidates: list[Path] = []
    for entry in entries:
        if entry.name.lower().partition(".")[0] == role.lower():
            if entry.is_dir():
                candidates += _list_images(entry, role)
            elif entry.suffix.lower() not in SIDECAR_SUFFIXES:
                candidates.append(entry)
    if not candidates:
        return None
    if len(candidates) > 1:
        raise InputRefused(f"There are {len(candidates)} candidates for the {role} image: leave only one of them.")
    if not is_accepted(candidates[0]):
        raise InputRefused(f"The {role} image is in a format that is not accepted: give a {ACCEPTED_IN_WORDS} file.")
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
