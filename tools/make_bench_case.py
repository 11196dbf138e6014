"""Make a case of 224 x 224 x 146 mm at 2 mm, the size of an ISLES'22 image, for measuring: the sample in wider fields.

``python tools/make_bench_case.py DEST`` writes dwi.nii.gz, adc.nii.gz and flair.nii.gz. The brain stays as large as it
is, so that the networks see as many windows as in a patient's image of that size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deepisles.resources import resource_path

SIZE = (112, 112, 73)
SPACING_MM = (2.0, 2.0, 2.0)


def widen(image: sitk.Image) -> sitk.Image:
    """Resample an image linearly onto the wide grid, which has the same centre and direction; 0 outside."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    half = (np.array(SIZE) - 1) / 2 * SPACING_MM
    grid = sitk.Image(SIZE, sitk.sitkUInt8)
    grid.SetSpacing(SPACING_MM)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin((np.array(middle) - direction @ half).tolist())
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, 0.0, image.GetPixelID())


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description="Make a case of 224 x 224 x 146 mm of the sample, for measuring.")
    parser.add_argument("dest", type=Path, metavar="DEST", help="folder for the images")
    dest: Path = parser.parse_args().dest
    dest.mkdir(parents=True, exist_ok=True)
    for name in ("dwi", "adc", "flair"):
        image = sitk.ReadImage(str(resource_path("sample", f"{name}.mha")))
        sitk.WriteImage(image if name == "flair" else widen(image), str(dest / f"{name}.nii.gz"))


if __name__ == "__main__":
    main()
