"""The case that is measured where none is given."""

from __future__ import annotations

from pathlib import Path

from deepisles.case.files import CaseFiles
from deepisles.errors import InputRefused
from deepisles.resources import resource_path


def take_case(dwi: Path | None, adc: Path | None, flair: Path | None) -> CaseFiles:
    """Take the given images, or the project's sample case if none is given.

    Raises
    ------
    InputRefused
        If only some are given.
    """
    if dwi is None and adc is None and flair is None:
        return CaseFiles(*(resource_path("sample", f"{name}.mha") for name in ("dwi", "adc", "flair")))
    if dwi is None or adc is None:
        raise InputRefused("DWI and ADC are needed: give --dwi and --adc, or neither and no --flair for the sample.")
    return CaseFiles(dwi, adc, flair)
