"""Small image files for tests, written by ITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from volumes import make_grid

SHAPE = (6, 9, 10)
PIXEL_TYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def make_array(dtype="int16", shape=SHAPE, seed=0):
    """Random values from 0 to 99, of which every pixel type has an exact copy."""
    return np.random.default_rng(seed).integers(0, 100, size=shape).astype(dtype)


def make_image(array, spacing_mm=(2.0, 2.0, 5.0), origin_mm=(10.0, -20.0, 30.0), rotation_deg=(0, 0, 0)):
    image = sitk.GetImageFromArray(array)
    grid = make_grid(array.shape[-3:], spacing_mm, origin_mm, rotation_deg)
    if array.ndim == 3:
        image.SetSpacing(grid.spacing_mm)
        image.SetOrigin(grid.origin_mm)
        image.SetDirection(grid.direction)
    return image


def write_image(path: Path, array=None, *, compressed=True, **geometry) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(make_image(make_array() if array is None else array, **geometry), path, useCompression=compressed)
    return path


def write_case(folder: Path, *names: str) -> Path:
    """Write images that differ from each other, by default dwi.nii.gz, adc.nii.gz and flair.nii.gz."""
    for seed, name in enumerate(names or ("dwi.nii.gz", "adc.nii.gz", "flair.nii.gz")):
        write_image(folder / name, make_array(seed=seed))
    return folder


def patch(path: Path, offset: int, content: bytes) -> Path:
    """Overwrite bytes of a file."""
    stored = bytearray(path.read_bytes())
    stored[offset : offset + len(content)] = content
    path.write_bytes(stored)
    return path


def edit_header(path: Path, old: str, new: str) -> Path:
    """Replace a line of a MetaImage's header."""
    stored = path.read_bytes()
    assert old.encode() in stored
    path.write_bytes(stored.replace(old.encode(), new.encode(), 1))
    return path
