"""What looks like a stroke on one of the images and is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from deepisles.training.synthesis.lesion_shapes import LesionShape, draw_blob, draw_expert_shape
from deepisles.training.synthesis.noise import draw_smooth_field
from deepisles.training.synthesis.scene import SPACING_MM, FloatArray, Scene

VENTRICLE_DEPTH_MM = 18.0
"""Depth below the brain's surface at which fluid is a ventricle and no sulcus."""
VENTRICLE_SURROUNDINGS_MM = 14.0
"""How far from the ventricles white-matter hyperintensities reach as a rule."""
AIR_TISSUE_MM = (
    (48.0, -30.0, -22.0), (-48.0, -30.0, -22.0),    # petrous bone under the temporal lobes
    (38.0, 0.0, -38.0), (-38.0, 0.0, -38.0),        # temporal poles
    (20.0, 34.0, -22.0), (-20.0, 34.0, -22.0),      # orbits
    (0.0, 40.0, -22.0), (0.0, 62.0, 4.0),           # ethmoid, frontal sinus
    (30.0, -82.0, -26.0), (-30.0, -82.0, -26.0),    # transverse sinuses
    (45.0, -55.0, -38.0), (-45.0, -55.0, -38.0),    # mastoids
)  # fmt: skip
"""MNI152 positions where air meets tissue, and echo-planar signal piles up or is lost."""
PILE_UP_PLACE_MM = 5.0
"""Deviation of a pile-up's place from head to head."""


def add_distractors(rng: np.random.Generator, scene: Scene, shapes: tuple[LesionShape, ...]) -> Scene:
    """Add some of them, by chance."""
    if rng.random() < 0.6:
        scene = add_white_matter_hyperintensities(rng, scene)
    if rng.random() < 0.25:
        scene = add_chronic_lesion(rng, scene, shapes)
    if rng.random() < 0.25:
        scene = add_shine_through(rng, scene)
    if rng.random() < 0.8:
        scene = add_susceptibility(rng, scene)
    if rng.random() < 0.6:
        scene = add_pile_up(rng, scene)
    if rng.random() < 0.35:
        scene = add_bright_rims(rng, scene)
    return scene


def add_white_matter_hyperintensities(rng: np.random.Generator, scene: Scene) -> Scene:
    """Raise T2 and diffusion in patches around the ventricles."""
    fluid = scene.brain & (scene.parenchyma < 0.3)
    deep = fluid & (scene.depth_mm > VENTRICLE_DEPTH_MM)
    if not deep.any():
        return scene
    distance_mm = ndimage.distance_transform_edt(~deep).astype(np.float32) * SPACING_MM
    closeness = np.clip(1 - distance_mm / (VENTRICLE_SURROUNDINGS_MM * rng.uniform(0.4, 1.6)), 0, 1)
    patches = np.clip(draw_smooth_field(rng, scene.shape, rng.uniform(7, 16)) + rng.uniform(-1.2, 0.6), 0, 1)
    amount = closeness * patches * scene.parenchyma
    return scene.change(
        adc_factor=1 + rng.uniform(0.1, 0.6) * amount,
        b0_factor=1 + rng.uniform(0.2, 0.7) * amount,
        flair_factor=1 + rng.uniform(0.3, 1.0) * amount,
    )


def add_chronic_lesion(rng: np.random.Generator, scene: Scene, shapes: tuple[LesionShape, ...]) -> Scene:
    """Add an old infarct: a fluid-filled cavity with a rim that is bright on FLAIR."""
    field = draw_expert_shape(rng, shapes, scene) if shapes and rng.random() < 0.6 else draw_blob(rng, scene)
    cavity = ndimage.gaussian_filter(field, 0.7) * scene.brain
    rim = np.clip(ndimage.gaussian_filter(field, 2.0) - cavity, 0, 1) * scene.brain
    severity = rng.uniform(0.3, 1.0)
    return scene.change(
        adc_factor=1 + severity * (rng.uniform(0.6, 2.2) * cavity + 0.5 * rim),
        b0_factor=1 + severity * (rng.uniform(0.4, 2.0) * cavity + 0.4 * rim),
        flair_factor=np.clip(1 + severity * (rng.uniform(-0.8, 0.5) * cavity + 1.0 * rim), 0.1, None),
    )


def add_shine_through(rng: np.random.Generator, scene: Scene) -> Scene:
    """Add patches that are bright on DWI by T2 alone; their diffusion is raised."""
    field = draw_blob(rng, scene)
    for _ in range(rng.integers(0, 4)):
        field = np.maximum(field, draw_blob(rng, scene))
    amount = ndimage.gaussian_filter(field, 0.8) * scene.parenchyma
    # clearly raised: small infarcts too have an ADC that is hardly lowered
    adc_factor = 1 + rng.uniform(0.15, 0.7) * amount
    return scene.change(
        adc_factor=adc_factor, b0_factor=1 + rng.uniform(0.3, 1.1) * amount, flair_factor=1 + 0.7 * amount
    )


def add_susceptibility(rng: np.random.Generator, scene: Scene) -> Scene:
    """Pile signal up, or lose it, in bands along the brain's surface where air meets tissue."""
    shell = np.clip(1 - scene.depth_mm / rng.uniform(5, 14), 0, 1) * scene.brain
    patches = 0.5 + 0.5 * np.clip(draw_smooth_field(rng, scene.shape, rng.uniform(9, 18)), -1, 2)
    gain = np.zeros(scene.shape, dtype=np.float32)
    for place in AIR_TISSUE_MM:
        if rng.random() < 0.6:
            gain += rng.uniform(-0.5, 2.0) * _closeness(scene, place, rng.uniform(7, 15))
    gain = gain * shell * patches
    change = np.clip(1 + gain, 0.15, 4.0)
    # diffusion is hardly touched, but neither image is free of it
    return scene.change(b0_factor=change, adc_factor=np.clip(1 + rng.uniform(-0.25, 0.15) * gain, 0.4, 1.6))


def add_pile_up(rng: np.random.Generator, scene: Scene) -> Scene:
    """Pile signal up in thin, sharp patches at the brain's edge near air, as bright as the brightest stroke."""
    gain = np.zeros(scene.shape, dtype=np.float32)
    for place in AIR_TISSUE_MM:
        if rng.random() < 0.4:
            moved = np.array(place) + rng.normal(0, PILE_UP_PLACE_MM, 3)
            patch = np.clip(3 * (_closeness(scene, moved, rng.uniform(5, 11)) - 0.35), 0, 1)
            shell = np.clip(1.3 - scene.depth_mm / rng.uniform(2.5, 7), 0, 1) * scene.brain
            gain = np.maximum(gain, rng.uniform(0.5, 4.5) * patch * shell)
    uneven = np.clip(1 + 0.5 * draw_smooth_field(rng, scene.shape, rng.uniform(4, 9)), 0, 2)
    gain = gain * uneven
    return scene.change(b0_factor=1 + gain, adc_factor=np.clip(1 + rng.uniform(-0.1, 0.06) * gain, 0.5, 1.3))


def add_bright_rims(rng: np.random.Generator, scene: Scene) -> Scene:
    """Brighten stretches of the brain's surface, as eddy currents and unlucky brain extraction do."""
    shell = ((scene.depth_mm > 0) & (scene.depth_mm <= rng.uniform(2, 5))).astype(np.float32)
    patches = np.clip(draw_smooth_field(rng, scene.shape, rng.uniform(15, 35)) - 0.6, 0, 1.5)
    amount = ndimage.gaussian_filter(shell * patches, 0.6)
    return scene.change(b0_factor=1 + rng.uniform(0.2, 1.2) * amount, adc_factor=1 - rng.uniform(-0.3, 0.3) * amount)


def _closeness(scene: Scene, place_mm: ArrayLike, reach_mm: float) -> FloatArray:
    offset = scene.position_mm - np.asarray(place_mm, dtype=np.float32).reshape(3, 1, 1, 1)
    return np.asarray(np.exp(-(offset**2).sum(axis=0) / (2 * reach_mm**2)), dtype=np.float32)
