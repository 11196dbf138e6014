"""Ingredients of synthetic cases that need no data beside the project."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from deepisles.training.synthesis.case import Ingredients
from deepisles.training.synthesis.lesion_shapes import load_lesion_shapes

MIDDLE_MM = np.array([-32.0, -8.0, 22.0])
"""In the left hemisphere, MNI152."""


@pytest.fixture(scope="session")
def shape_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One lesion mask in MNI152 space: a box of 24 x 30 x 20 mm."""
    folder = tmp_path_factory.mktemp("shapes")
    mask = np.zeros((60, 60, 60), dtype=np.uint8)
    mask[18:42, 15:45, 20:40] = 1
    affine = np.eye(4)
    affine[:3, 3] = MIDDLE_MM - 30
    nibabel.save(nibabel.Nifti1Image(mask, affine), folder / "lesion.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros_like(mask), affine), folder / "empty.nii.gz")
    return folder


@pytest.fixture(scope="session")
def ingredients(shape_folder: Path) -> Ingredients:
    """Ingredients with that shape."""
    return Ingredients(load_lesion_shapes(shape_folder))
