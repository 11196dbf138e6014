"""The image formats that are read, told apart by the end of the file's name."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

METAIMAGE_SUFFIX: Final = ".mha"
NIFTI_SUFFIX: Final = ".nii"
NIFTI_GZ_SUFFIX: Final = ".nii.gz"
ACCEPTED_SUFFIXES: Final = (NIFTI_SUFFIX, NIFTI_GZ_SUFFIX, METAIMAGE_SUFFIX)
ACCEPTED_IN_WORDS: Final = ".nii, .nii.gz or .mha"


def split_name(path: PurePath) -> tuple[str, str]:
    """Split a file's name into its stem and its suffix, .nii.gz being one suffix; the suffix in lower case.

    Returns
    -------
    tuple of str
        For example ``("DWI", ".nii.gz")`` for ``DWI.NII.GZ``; the suffix is "" where the name has none.
    """
    if path.name.lower().endswith(NIFTI_GZ_SUFFIX):
        return path.name[: -len(NIFTI_GZ_SUFFIX)], NIFTI_GZ_SUFFIX
    return path.stem, path.suffix.lower()


def is_accepted(path: PurePath) -> bool:
    """Whether the file's name says that it is in a format that is read."""
    return split_name(path)[1] in ACCEPTED_SUFFIXES
