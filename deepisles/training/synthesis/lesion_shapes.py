"""Shapes and places of lesions: those that experts drew in real patients, emboli, and blobs.

A shape is a field over a scene's voxels: above 0.5 is lesion.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from deepisles.errors import InputRefused
from deepisles.training.synthesis.noise import draw_smooth_field
from deepisles.training.synthesis.scene import SPACING_MM, FloatArray, Mask, Scene
from deepisles.training.synthesis.tissue_maps import to_index

logger = logging.getLogger(__name__)

EMBOLI = (3, 40)
"""Fewest and most emboli of an embolic stroke."""
TINY_SHARE = 0.5
TINY_RADIUS_MM = (1.5, 2.6)
"""Of the emboli that fill a few voxels: half of those that experts drew in an embolic stroke had 2 to 9 of 8 mm3."""
MARGIN_VOXELS = 2


@dataclass(frozen=True)
class LesionShape:
    """An expert's lesion mask in MNI152 space, cut to its box.

    Parameters
    ----------
    share : numpy.ndarray
        (x, y, z) uint8, 255 where a voxel is all lesion.
    affine : numpy.ndarray
        4 x 4, index (x, y, z) of the box to MNI152 millimetres.
    """

    share: NDArray[np.uint8]
    affine: NDArray[np.float64]

    def sample(self, position_mm: FloatArray) -> FloatArray:
        """Sample at MNI152 positions (3, ...): 0 to 1, 0 outside the box."""
        index = to_index(position_mm, self.affine)
        sampled = ndimage.map_coordinates(self.share, index, order=1, output=np.float32, prefilter=False)
        return np.asarray(sampled / 255, dtype=np.float32)


def load_lesion_shapes(folder: Path) -> tuple[LesionShape, ...]:
    """Load every NIfTI mask in a folder; masks must lie in MNI152 space.

    Raises
    ------
    InputRefused
        If there is none, or one cannot be read.
    """
    paths = sorted(folder.glob("*.nii.gz")) + sorted(folder.glob("*.nii"))
    if not paths:
        raise InputRefused(f"{folder} holds no lesion masks: give a folder of NIfTI masks in MNI152 space.")
    shapes = [_load_shape(path) for path in paths]
    kept = tuple(shape for shape in shapes if shape is not None)
    logger.info("%d lesion shapes, %d empty ones left out", len(kept), len(shapes) - len(kept))
    return kept


def _load_shape(path: Path) -> LesionShape | None:
    try:
        image = nibabel.load(path)
        mask = np.asarray(image.dataobj) > 0
    except (OSError, EOFError, ValueError, ImageFileError) as error:
        raise InputRefused(f"The lesion mask {path.name} cannot be read; leave it out or fetch it again.") from error
    if mask.ndim != 3 or not mask.any():
        return None
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    affine = np.array(image.affine, dtype=np.float64)
    # a rim of zeros, so that sampling beyond the box gives 0 smoothly
    cut = np.pad(mask[box].astype(np.uint8) * 255, MARGIN_VOXELS)
    affine[:3, 3] += affine[:3, :3] @ (np.array([part.start for part in box]) - MARGIN_VOXELS)
    return LesionShape(cut, affine)


def draw_expert_shape(rng: np.random.Generator, shapes: tuple[LesionShape, ...], scene: Scene) -> FloatArray:
    """Place a real lesion's shape, on either side, a little moved, turned and resized."""
    shape = shapes[rng.integers(len(shapes))]
    middle = shape.affine[:3, :3] @ (np.array(shape.share.shape) / 2) + shape.affine[:3, 3]
    position = scene.position_mm.reshape(3, -1).copy()
    if rng.random() < 0.5:
        position[0] *= -1
    turn = Rotation.from_euler("xyz", rng.normal(0, 8, 3), degrees=True).as_matrix().astype(np.float32)
    size = np.float32(np.exp(rng.normal(0, 0.15)))
    shift = rng.normal(0, 4, 3)
    position = turn @ ((position - (middle + shift)[:, None].astype(np.float32)) / size)
    position += middle[:, None].astype(np.float32)
    return shape.sample(position.reshape(scene.position_mm.shape))


def draw_emboli(rng: np.random.Generator, scene: Scene) -> FloatArray:
    """Scatter small round lesions through grey and white matter, in one territory or all over the brain."""
    field = np.zeros(scene.shape, dtype=np.float32)
    places = np.argwhere(scene.parenchyma > 0.6)
    if not len(places):
        return field
    if rng.random() < 0.5:
        centre, reach = places[rng.integers(len(places))], rng.uniform(8, 22)
        near = np.linalg.norm(places - centre, axis=1) < reach
        places = places[near]
    count = int(np.exp(rng.uniform(np.log(EMBOLI[0]), np.log(EMBOLI[1]))))
    for place in places[rng.integers(len(places), size=count)]:
        is_tiny = rng.random() < TINY_SHARE
        radius_mm = rng.uniform(*TINY_RADIUS_MM) if is_tiny else rng.gamma(2.0, 0.75) + TINY_RADIUS_MM[0]
        add_ball(field, place + rng.uniform(-0.5, 0.5, 3), radius_mm, rng.uniform(0.7, 1.4, 3))
    return field


def add_ball(field: FloatArray, centre: NDArray[np.float64], radius_mm: float, stretch: NDArray[np.float64]) -> None:
    """Add a ball whose edge (0.5) lies at `radius_mm`, stretched along (z, y, x), where the field is lower."""
    radii = radius_mm * stretch / SPACING_MM
    low = np.maximum(np.floor(centre - radii - 2).astype(int), 0)
    high = np.minimum(np.ceil(centre + radii + 3).astype(int), field.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    offsets = np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij")
    distance = np.sqrt(sum(((o - c) / r) ** 2 for o, c, r in zip(offsets, centre, radii, strict=True)))
    ball = np.clip(0.5 + (1 - distance) * radius_mm / SPACING_MM, 0, 1).astype(np.float32)
    field[box] = np.maximum(field[box], ball)


def draw_blob(rng: np.random.Generator, scene: Scene) -> FloatArray:
    """Draw one irregular lesion anywhere in the parenchyma."""
    field = np.zeros(scene.shape, dtype=np.float32)
    places = np.argwhere(scene.parenchyma > 0.6)
    if not len(places):
        return field
    radius_mm = float(np.exp(rng.uniform(np.log(4), np.log(26))))
    add_ball(field, places[rng.integers(len(places))], radius_mm, rng.uniform(0.6, 1.5, 3))
    rough = draw_smooth_field(rng, scene.shape, rng.uniform(8, 20))
    return np.asarray(np.where(field > 0, np.clip(field + 0.25 * rough * (field < 1), 0, 1), 0), dtype=np.float32)


def count_components(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Label 26-connected components."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    return labels, int(count)
