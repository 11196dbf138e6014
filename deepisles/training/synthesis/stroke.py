"""An acute or subacute stroke: lowered diffusion, raised T2, strong in the core, weak at the rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from deepisles.training.synthesis.lesion_shapes import (
    LesionShape,
    count_components,
    draw_blob,
    draw_emboli,
    draw_expert_shape,
)
from deepisles.training.synthesis.noise import draw_smooth_field
from deepisles.training.synthesis.scene import SPACING_MM, FloatArray, Mask, Scene, measure_depth_mm

EDGE_MM = (0.5, 2.0)
"""Deviation of the blur of a lesion's edge; diffusion signal falls from core to background within about 4 mm."""
RIM = (0.35, 0.95)
"""Strength at a lesion's rim over that of its core (measured once: DWI 1.48 and 1.90 times the mirrored region's)."""
WIDENING_VOXELS = 0.6
WIDENING_LEVEL = (0.02, 0.3)
"""An edge blurred so much, and cut at such a level, moves outward by none to one voxel: experts include the rim."""
LEAST_PARENCHYMA = 0.35
"""Share of tissue below which nobody draws a voxel."""
CORE_DEPTH_MM = (3.0, 9.0)
"""Depth at which a lesion reaches its full strength."""
ADC_RATIO = (0.42, 0.85)
"""Mean ADC in the drawn lesion over that of the mirrored region (measured in five patients: 0.47 to 0.85)."""
LEAST_ADC_RATIO = 0.3
"""Floor within a core: dead brain tissue still holds about 0.25e-3 mm2/s of 0.85."""
B0_RATIO = (1.0, 1.75)
"""T2-weighted signal likewise; with the ADC it gives the measured DWI ratios of 1.4 to 2.8."""
FLAIR_RATIO = (0.95, 1.7)
"""FLAIR signal likewise: unchanged in the first hours, bright later (measured: 1.42)."""
LESION_SPREAD = 0.3
"""Deviation of the logarithm of one lesion's strength among those of a stroke (measured: DWI 0.6 to 3.7 deviations
above its surroundings among the 24 lesions of two patients)."""
SPREAD_LIMITS = (0.45, 1.6)
HIGHEST_STRENGTH = 2.3
"""Of a voxel: a core of 1.9 times the mirrored DWI has rims of 1.5, and single voxels are brighter yet."""
UNEVENNESS = (0.08, 0.25)
"""Deviation of the strength within a lesion (measured: 0.21 to 0.28 of DWI, tissue included)."""
WEAK_SHARE = 0.3
"""Share of strokes that are hardly visible."""


@dataclass(frozen=True)
class Stroke:
    """A scene with a stroke, and where it is.

    Parameters
    ----------
    scene : Scene
        With the stroke.
    lesion : numpy.ndarray
        bool (z, y, x): what an expert would draw.
    """

    scene: Scene
    lesion: Mask


def add_stroke(rng: np.random.Generator, scene: Scene, shapes: tuple[LesionShape, ...]) -> Stroke:
    """Add one stroke: a real lesion's shape, emboli, a blob, or a shape with emboli around."""
    kind = rng.random()
    if kind < 0.5 and shapes:
        field = draw_expert_shape(rng, shapes, scene)
        if rng.random() < 0.3:
            field = np.maximum(field, draw_emboli(rng, scene))
    elif kind < 0.88:
        field = draw_emboli(rng, scene)
    else:
        field = draw_blob(rng, scene)
    tissue = (scene.parenchyma > LEAST_PARENCHYMA) & scene.brain
    core = (field > 0.5) & tissue
    lesion = widen(rng, core) & tissue
    return Stroke(restrict_diffusion(rng, scene, core, lesion), lesion)


def widen(rng: np.random.Generator, core: Mask) -> Mask:
    """Draw around the bright voxels (z, y, x) as an expert does: by up to a voxel wider."""
    blurred = ndimage.gaussian_filter(core.astype(np.float32), WIDENING_VOXELS)
    return np.asarray(core | (blurred > rng.uniform(*WIDENING_LEVEL)))


def restrict_diffusion(rng: np.random.Generator, scene: Scene, core: Mask, lesion: Mask) -> Scene:
    """Let tissue look like a stroke of random age.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    scene : Scene
        Without the stroke.
    core : numpy.ndarray
        bool (z, y, x): the bright voxels.
    lesion : numpy.ndarray
        bool (z, y, x): what an expert draws, over which the ratios below are meant.
    """
    strength = draw_strength(rng, core) * np.clip(scene.parenchyma * 1.5, 0, 1)
    strength = even_out(rng, strength, lesion)
    weak = rng.uniform(0.3, 0.7) if rng.random() < WEAK_SHARE else 1.0
    adc_ratio, age = rng.uniform(*ADC_RATIO), rng.random()
    b0_ratio = 1 + (B0_RATIO[1] - 1) * np.clip(age * rng.uniform(0.4, 1.2), 0, 1)
    flair_ratio = FLAIR_RATIO[0] + (FLAIR_RATIO[1] - FLAIR_RATIO[0]) * age * rng.uniform(0.5, 1.0)
    return scene.change(
        adc_factor=np.maximum(1 - weak * strength * (1 - adc_ratio), LEAST_ADC_RATIO),
        b0_factor=1 + weak * strength * (b0_ratio - 1),
        flair_factor=1 + weak * strength * (flair_ratio - 1),
    )


def draw_strength(rng: np.random.Generator, lesion: Mask) -> FloatArray:
    """Draw how strongly the voxels (z, y, x) of a lesion are hit beside each other: cores more than rims."""
    depth_mm = measure_depth_mm(lesion)
    rim = rng.uniform(*RIM)
    core = np.where(lesion, rim + (1 - rim) * np.clip(depth_mm / rng.uniform(*CORE_DEPTH_MM), 0, 1), 0)
    blurred = ndimage.gaussian_filter(core.astype(np.float32), rng.uniform(*EDGE_MM) / SPACING_MM)
    uneven = 1 + rng.uniform(*UNEVENNESS) * draw_smooth_field(rng, lesion.shape, rng.uniform(6, 14))
    return np.asarray(blurred * uneven, dtype=np.float32)


def even_out(rng: np.random.Generator, strength: FloatArray, lesion: Mask) -> FloatArray:
    """Bring each lesion (26-connected) to a mean strength (z, y, x) of about 1, whatever its size.

    Blur takes most from the smallest lesions, which in patients are as bright as large ones.
    """
    labels, count = count_components(lesion)
    if not count:
        return strength
    mean = np.asarray(ndimage.mean(strength, labels, np.arange(1, count + 1)))
    wanted = np.clip(np.exp(rng.normal(0, LESION_SPREAD, count)), *SPREAD_LIMITS)
    gain = np.concatenate([[0], wanted / np.maximum(mean, 0.05)])[labels].astype(np.float32)
    # a lesion's blurred edge outside the drawn voxels gets what its nearest voxels have
    weight = ndimage.gaussian_filter(lesion.astype(np.float32), 1.0)
    around = ndimage.gaussian_filter(gain, 1.0) / np.maximum(weight, 1e-4)
    return np.asarray(np.clip(strength * np.where(lesion, gain, around), 0, HIGHEST_STRENGTH), dtype=np.float32)
