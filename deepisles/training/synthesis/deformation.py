"""No two heads are alike: random but smooth maps from a scene's voxels into MNI152 space."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from deepisles.training.synthesis.noise import draw_smooth_field
from deepisles.training.synthesis.scene import SPACING_MM, FloatArray

BRAIN_CENTRE_MM = np.array([0.0, -18.0, 8.0])
"""Middle of the MNI152 brain's bounding box."""
VENTRICLE_CENTRE_MM = np.array([0.0, -16.0, 14.0])
"""Between the bodies of the lateral ventricles in MNI152 space."""
VENTRICLE_REACH_MM = 24.0
HEAD_SIZE = (0.91, 0.05)
"""Mean and deviation of a head's length over the template's, whose brain of 1880 ml is larger than nearly any."""
SCENE_SHAPE = (80, 96, 80)
"""Voxels (z, y, x) of a scene: the brain with room for larger heads."""
WARPS_MM = ((60.0, 3.2), (28.0, 1.5), (12.0, 0.6))
"""Bump width and displacement of the three smooth warps."""


def draw_positions(rng: np.random.Generator, shape: tuple[int, int, int] = SCENE_SHAPE) -> FloatArray:
    """Draw which MNI152 position each voxel of a new head shows.

    Size, shear, pose, mirroring, ventricles and three scales of smooth warps vary.

    Returns
    -------
    numpy.ndarray
        (3, z, y, x) float32, millimetres (x right, y anterior, z superior).
    """
    axes = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) * SPACING_MM for n in shape]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    centred = np.stack([x, y, z]).reshape(3, -1)
    pose = Rotation.from_euler("xyz", rng.normal(0, (6.0, 3.0, 3.0)), degrees=True).as_matrix()
    # larger heads are larger along every axis, mostly
    scale = np.diag(1 / (rng.normal(*HEAD_SIZE) * rng.normal(1.0, 0.03, 3)))
    shear = np.eye(3) + np.triu(rng.normal(0, 0.02, (3, 3)), 1)
    moved = (scale @ shear @ pose @ centred).astype(np.float32).reshape(3, *shape)
    if rng.random() < 0.5:
        moved[0] *= -1
    shift = rng.normal(0, 2.0, 3)
    position = moved + (BRAIN_CENTRE_MM + shift).astype(np.float32).reshape(3, 1, 1, 1)
    for width, reach in WARPS_MM:
        size = reach * rng.uniform(0.4, 1.4)
        for axis in range(3):
            position[axis] += size * draw_smooth_field(rng, shape, width)
    return widen_ventricles(position, rng.uniform(-0.2, 0.4))


def widen_ventricles(position_mm: FloatArray, amount: float) -> FloatArray:
    """Pull what is shown toward the ventricles' middle, so that they look larger; negative makes them smaller."""
    centre = VENTRICLE_CENTRE_MM.astype(np.float32).reshape(3, 1, 1, 1)
    offset = position_mm - centre
    closeness = np.exp(-(offset**2).sum(axis=0) / (2 * VENTRICLE_REACH_MM**2))
    return np.asarray(centre + offset * (1 - amount * closeness), dtype=np.float32)
