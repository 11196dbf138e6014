"""Reading a case's images: headers checked first, then voxels decoded by ITK in a child process, then looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np

from deepisles.case.case import Case
from deepisles.case.child_decoder import ChildDecoder
from deepisles.case.decoder import ImageDecoder
from deepisles.case.diffusion_volumes import choose_weighted, read_b_values
from deepisles.case.files import CaseFiles
from deepisles.case.formats import ACCEPTED_IN_WORDS, METAIMAGE_SUFFIX, NIFTI_GZ_SUFFIX, is_accepted, split_name
from deepisles.case.image_header import ImageHeader
from deepisles.case.limits import check_geometry, check_values, describe_unusual_spacing
from deepisles.case.metaimage_header import read_metaimage_header
from deepisles.case.nifti_header import read_nifti_header
from deepisles.case.nifti_placement import add_stored_affine
from deepisles.case.volume import Grid, Volume
from deepisles.errors import InputRefused

CHECKS: Final = (
    "files whole and of the size that their headers state",
    "three axes (a DWI's fourth chosen from), one value per voxel",
    "size, spacing and position plausible, axes at right angles",
    "values finite and not all the same",
    "no image given twice",
)


@dataclass(frozen=True)
class _CheckedFile:
    """An image file and what its checked header says."""

    path: Path
    header: ImageHeader
    is_metaimage: bool


def read_case(files: CaseFiles, decoder: ImageDecoder | None = None) -> Case:
    """Read the images of one case.

    Parameters
    ----------
    files : CaseFiles
        Where they are.
    decoder : ImageDecoder, optional
        Who decodes the voxels; by default a child process that serves this case and no other.

    Returns
    -------
    Case
        Every image on its own grid, what was checked, and warnings.

    Raises
    ------
    InputRefused
        If an image is missing, damaged, of the wrong kind, out of range, or given twice.
    GeometryError
        If an image's place in space makes no sense.
    """
    paths = {"DWI": files.dwi, "ADC": files.adc, "FLAIR": files.flair}
    volumes: dict[str, Volume] = {}
    warnings: list[str] = []
    with _choose(decoder) as chosen:
        # all headers first: meanwhile the child process starts
        headers = {role: _check_file(path, role) for role, path in paths.items() if path is not None}
        for role, header in headers.items():
            volumes[role], found = _decode(header, role, False, chosen)
            warnings.extend(found)
    for (role, volume), (other_role, other) in combinations(volumes.items(), 2):
        if np.array_equal(volume.array, other.array):
            raise InputRefused(
                f"The {role} image and the {other_role} image are one and the same: give each image its own file."
            )
    return Case(volumes["DWI"], volumes["ADC"], volumes.get("FLAIR"), checks=CHECKS, warnings=tuple(warnings))


def read_volume(path: Path, role: str, *, allow_constant: bool = False, decoder: ImageDecoder | None = None) -> Volume:
    """Read one image.

    Parameters
    ----------
    path : Path
        A .nii, .nii.gz or .mha file with one 3-D volume, or for the DWI with several: then the one at b about 1000.
    role : str
        What the image is, for messages: "DWI".
    allow_constant : bool
        Whether all voxels may hold one value, as in a mask without lesion.
    decoder : ImageDecoder, optional
        Who decodes the voxels; by default a child process of its own.

    Returns
    -------
    Volume
        Voxels (z, y, x) in the file's pixel type (NIfTI values that the header scales: as ITK scales them),
        geometry as ITK reads it, and for NIfTI the stored affine.

    Raises
    ------
    InputRefused
        If the image is missing, damaged, of the wrong kind or out of range.
    GeometryError
        If its place in space makes no sense.
    """
    with _choose(decoder) as chosen:
        return _decode(_check_file(path, role), role, allow_constant, chosen)[0]


def _choose(decoder: ImageDecoder | None) -> AbstractContextManager[ImageDecoder]:
    return ChildDecoder() if decoder is None else nullcontext(decoder)


def _check_file(path: Path, role: str) -> _CheckedFile:
    try:
        if not path.exists():
            raise InputRefused(f"The {role} image's file was not found: there is no {path}.")
        if not path.is_file():
            raise InputRefused(f"The {role} image is not a file: give a single {ACCEPTED_IN_WORDS} file.")
        if not is_accepted(path):
            raise InputRefused(
                f"The {role} image is in a format that is not accepted: give a {ACCEPTED_IN_WORDS} file."
            )
        is_metaimage = split_name(path)[1] == METAIMAGE_SUFFIX
        header = read_metaimage_header(path, role) if is_metaimage else read_nifti_header(path, role)
    except OSError as error:
        raise InputRefused(f"The {role} image cannot be opened: check that you may read the file.") from error
    return _CheckedFile(path, header, is_metaimage)


def _decode(
    file: _CheckedFile, role: str, allow_constant: bool, decoder: ImageDecoder
) -> tuple[Volume, tuple[str, ...]]:
    header = file.header
    with _path_for_itk(file.path) as path:
        image = decoder.decode(path, "MetaImageIO" if file.is_metaimage else "NiftiImageIO", header.shape, role)
    check_geometry(header.size_xyz, image.spacing_mm, image.origin_mm, image.direction, role)
    array, notes = image.array, tuple[str, ...]()
    if header.volumes > 1:
        check_values(array, role, allow_constant)
        index, note = choose_weighted(array, read_b_values(file.path))
        array, notes = np.ascontiguousarray(array[index]), (note,)
    check_values(array, role, allow_constant)
    grid = Grid(array.shape, image.spacing_mm, image.origin_mm, image.direction)
    notes = (*notes, *describe_unusual_spacing(grid.spacing_mm, role))
    if file.is_metaimage:
        return Volume(array, grid), notes
    grid, warnings = add_stored_affine(grid, header.block, role)
    return Volume(array, grid), (*notes, *warnings)


@contextmanager
def _path_for_itk(path: Path) -> Iterator[Path]:
    """Give the path that makes ITK read this file.

    Asked for x.nii.gz, its NIfTI library takes the voxels of x.nii; and it cannot take names that are no text.
    """
    stem, suffix = split_name(path)
    has_neighbour = suffix == NIFTI_GZ_SUFFIX and any(path.with_name(stem + end).exists() for end in (".nii", ".NII"))
    if not has_neighbour and _is_text(str(path.absolute())):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="deepisles-") as folder:
        alone = Path(folder) / f"image{suffix}"
        alone.symlink_to(path.absolute())
        yield alone


def _is_text(name: str) -> bool:
    """Whether a file's name is valid UTF-8; Python gives other bytes as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)
