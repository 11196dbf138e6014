"""The images as the original's processes have them: files in a work folder, read again by each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepisles.case.case import Case
from deepisles.case.decoder import InProcessDecoder
from deepisles.case.files import CaseFiles
from deepisles.case.formats import is_accepted
from deepisles.case.opening import open_case
from deepisles.case.reading import read_volume
from deepisles.case.source import CaseSource
from deepisles.case.volume import Grid, Volume
from deepisles.options import BrainExtractionMode
from deepisles.preparation.brain_extraction import strip_case
from deepisles.preparation.brain_extractor import BrainExtractor
from deepisles.preparation.prepare import share_grid
from deepisles.reports.images import write_volume


@dataclass(frozen=True)
class WorkFiles:
    """What the members are given, and the DWI's grid, on which the mask is written."""

    files: CaseFiles
    dwi: Volume
    adc: Volume

    @property
    def grid(self) -> Grid:
        """The DWI's."""
        return self.dwi.grid


def lay_out(
    files: CaseFiles, folder: Path, mode: BrainExtractionMode, extractor: BrainExtractor, *, with_flair: bool
) -> WorkFiles:
    """Read and strip a case; images that this changes go to the work folder, the others stay where they are."""
    read = open_case(CaseSource(files.dwi, files.adc, files.flair), with_flair=with_flair).case
    case, _ = strip_case(share_grid(read), mode, extractor)
    flair = None if case.flair is None else _place("flair", files.flair, read, case, folder)
    dwi, adc = (_place(name, path, read, case, folder) for name, path in (("dwi", files.dwi), ("adc", files.adc)))
    return WorkFiles(CaseFiles(dwi, adc, flair), case.dwi, case.adc)


def read_image(path: Path, role: str) -> Volume:
    """Read an image, or a mask, in this process, as the original's do."""
    return read_volume(path, role, allow_constant=role == "mask", decoder=InProcessDecoder())


def _place(name: str, path: Path | None, read: Case, prepared: Case, folder: Path) -> Path:
    before, after = getattr(read, name), getattr(prepared, name)
    if path is not None and before.array is after.array and path.is_file() and is_accepted(path):
        return path
    written = folder / f"{name}.nii.gz"
    write_volume(written, after.array, after.grid)
    return written
