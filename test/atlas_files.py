"""A made-up atlas of arterial territories, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk


def write_atlas(path: Path, top: int = 30, spacing_mm: float = 4.0) -> Path:
    """Write an atlas with labels 1 to `top`, in slabs from back to front; odd ones left, as JHU's.

    With `top` 5 each label lies on both sides.
    """
    array = np.zeros((40, 50, 44), np.uint8)
    slabs = top if top == 5 else top // 2
    for slab in range(slabs):
        rows = slice(slab * 50 // slabs, (slab + 1) * 50 // slabs)
        if top == 5:
            array[:, rows] = slab + 1
        else:
            # x grows to the patient's right here
            array[:, rows, :22] = 2 * slab + 1
            array[:, rows, 22:] = 2 * slab + 2
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((spacing_mm,) * 3)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    image.SetOrigin((21.5 * spacing_mm, 104.0, -72.0))
    sitk.WriteImage(image, str(path))
    return path
