"""The folder mni/: a case's images in MNI152 space, and the transforms between the two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deepisles.case.volume import Volume
from deepisles.errors import OutputError
from deepisles.preparation.mni_alignment import MniAlignment, carry_to_mni, to_affine
from deepisles.preparation.prepared import PreparedCase
from deepisles.reports.images import whole_file, write_volume

MNI_FOLDER = "mni"
MNI_FILES = f"{MNI_FOLDER}/*.nii.gz", f"{MNI_FOLDER}/*.tfm"


def write_mni_images(folder: Path, maps: Mapping[str, Volume], images: PreparedCase, alignment: MniAlignment) -> None:
    """Write images, mask (nearest neighbour) and probability on the template's 1 mm grid, and two ITK transforms.

    Parameters
    ----------
    folder : Path
        The case's output folder; the files go into its folder mni.
    maps : mapping
        Has "lesion_mask" and "lesion_probability", on the DWI's grid.
    images : PreparedCase
        DWI, ADC and, if there is one, the FLAIR on the DWI's grid.
    alignment : MniAlignment
        Where they lie.

    Raises
    ------
    OutputError
        If something cannot be written.
    """
    place = folder / MNI_FOLDER
    shown = {"dwi": images.dwi, "adc": images.adc, "flair": images.flair}
    for name, volume in {**shown, "lesion_probability": maps["lesion_probability"]}.items():
        if volume is not None:
            carried = carry_to_mni(volume, alignment)
            write_volume(place / f"{name}.nii.gz", carried.array, carried.grid)
    mask = carry_to_mni(maps["lesion_mask"], alignment, is_mask=True)
    write_volume(place / "lesion_mask.nii.gz", mask.array, mask.grid)
    # ITK's transforms lead from where an image is made to where it is taken from
    _write_transform(place / "dwi_to_mni.tfm", to_affine(alignment.from_mni))
    _write_transform(place / "mni_to_dwi.tfm", to_affine(np.linalg.inv(alignment.from_mni)))


def _write_transform(path: Path, transform: sitk.Transform) -> None:
    with whole_file(path) as temporary:
        try:
            sitk.WriteTransform(transform, str(temporary))
        except RuntimeError as error:
            raise OutputError(f"Cannot write {path.name}: check the free space of the output folder.") from error
