"""Reading a case's images: checked first, then read by ITK, then looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import SimpleITK as sitk

from deepisles.case.case import Case
from deepisles.case.files import CaseFiles
from deepisles.case.formats import ACCEPTED_IN_WORDS, METAIMAGE_SUFFIX, NIFTI_GZ_SUFFIX, is_accepted, split_name
from deepisles.case.image_header import ImageHeader, refuse_damaged
from deepisles.case.limits import check_geometry, check_values
from deepisles.case.metaimage_header import read_metaimage_header
from deepisles.case.nifti_header import read_nifti_header
from deepisles.case.nifti_placement import add_stored_affine
from deepisles.case.volume import Grid, Volume
from deepisles.errors import GeometryError, InputRefused

CHECKS: Final = (
    "files whole and of the size that their headers state",
    "three axes, one value per voxel",
    "size, spacing and position plausible, axes at right angles",
    "values finite and not all the same",
    "no image given twice",
)


def read_case(files: CaseFiles) -> Case:
    """Read the images of one case.

    Parameters
    ----------
    files : CaseFiles
        Where they are.

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
    for role, path in paths.items():
        if path is not None:
            volumes[role], found = _read(path, role, allow_constant=False)
            warnings.extend(found)
    for (role, volume), (other_role, other) in combinations(volumes.items(), 2):
        if np.array_equal(volume.array, other.array):
            raise InputRefused(
                f"The {role} image and the {other_role} image are one and the same: give each image its own file."
            )
    return Case(volumes["DWI"], volumes["ADC"], volumes.get("FLAIR"), checks=CHECKS, warnings=tuple(warnings))


def read_volume(path: Path, role: str, *, allow_constant: bool = False) -> Volume:
    """Read one image.

    Parameters
    ----------
    path : Path
        A .nii, .nii.gz or .mha file with one 3-D volume.
    role : str
        What the image is, for messages: "DWI".
    allow_constant : bool
        Whether all voxels may hold one value, as in a mask without lesion.

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
    return _read(path, role, allow_constant)[0]


def _read(path: Path, role: str, allow_constant: bool) -> tuple[Volume, tuple[str, ...]]:
    try:
        header = _check_file(path, role)
    except OSError as error:
        raise InputRefused(f"The {role} image cannot be opened: check that you may read the file.") from error
    is_metaimage = split_name(path)[1] == METAIMAGE_SUFFIX
    with _path_for_itk(path) as itk_path:
        image = _read_by_itk(itk_path, role, header, "MetaImageIO" if is_metaimage else "NiftiImageIO")
    x, y, z = header.size_xyz
    array = sitk.GetArrayFromImage(image).reshape(z, y, x)
    check_values(array, role, allow_constant)
    grid = Grid((z, y, x), *_place(image))
    if is_metaimage:
        return Volume(array, grid), ()
    grid, warnings = add_stored_affine(grid, header.block, role)
    return Volume(array, grid), warnings


def _check_file(path: Path, role: str) -> ImageHeader:
    if not path.exists():
        raise InputRefused(f"The {role} image's file was not found: there is no {path}.")
    if not path.is_file():
        raise InputRefused(f"The {role} image is not a file: give a single {ACCEPTED_IN_WORDS} file.")
    if not is_accepted(path):
        raise InputRefused(f"The {role} image is in a format that is not accepted: give a {ACCEPTED_IN_WORDS} file.")
    if split_name(path)[1] == METAIMAGE_SUFFIX:
        return read_metaimage_header(path, role)
    return read_nifti_header(path, role)


@contextmanager
def _path_for_itk(path: Path) -> Iterator[Path]:
    """Give the path that makes ITK read this file: asked for x.nii.gz, its NIfTI library takes the voxels of x.nii."""
    stem, suffix = split_name(path)
    if suffix != NIFTI_GZ_SUFFIX or not any(path.with_name(stem + end).exists() for end in (".nii", ".NII")):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="deepisles-") as folder:
        alone = Path(folder) / "image.nii.gz"
        alone.symlink_to(path.absolute())
        yield alone


def _read_by_itk(path: Path, role: str, header: ImageHeader, image_io: str) -> Any:  # noqa: ANN401 - SimpleITK is untyped
    # ITK's own warnings go to stderr, where only refusals belong
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        size = tuple(reader.GetSize())
        if size[:3] != header.size_xyz or set(size[3:]) - {1} or reader.GetNumberOfComponents() != 1:
            raise refuse_damaged(role)
        check_geometry(header.size_xyz, *_place(reader), role)
        return reader.Execute()
    except RuntimeError as error:
        if "orthonormal direction" in str(error) or "Bad direction" in str(error):
            raise GeometryError(
                f"The {role} image's axes are not at right angles: resample it onto a grid with orthogonal axes."
            ) from error
        raise refuse_damaged(role) from error


def _place(image: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - SimpleITK is untyped
    """Take spacing, origin and direction along the three axes of space; a fourth axis holds a single volume."""
    axes = image.GetDimension()
    direction = np.asarray(image.GetDirection()).reshape(axes, axes)[:3, :3]
    return tuple(image.GetSpacing()[:3]), tuple(image.GetOrigin()[:3]), tuple(direction.ravel().tolist())
