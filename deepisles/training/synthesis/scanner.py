"""What a scanner and brain extraction make of a scene: thick slices, coils, motion, noise, arbitrary units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from deepisles.training.synthesis.lesion_shapes import count_components
from deepisles.training.synthesis.noise import draw_smooth_field
from deepisles.training.synthesis.scene import B_VALUE_S_MM2, SPACING_MM, FloatArray, Mask, Scene, measure_depth_mm

SLICE_MM = (2.0, 6.5)
"""Thinnest and thickest slices (ISLES'22: 2 to 6.5 mm)."""
SIGNAL_TO_NOISE = (14.0, 70.0)
"""Mean brain signal over noise deviation, of the DWI."""
LEAST_CHANGE = 0.8
"""Change of a lesion's brightest voxel, in deviations of the DWI over the brain, below which nobody would draw it (the
faintest one drawn in two patients: 1.2 above its surroundings)."""
LEAST_CONTRAST = 0.5
"""Likewise for a lesion's mean above its surroundings (measured: 0.64). A change may be lost in coil shading or beside
bright cortex."""
SURROUNDINGS_VOXELS = 3
"""How far the surroundings reach; the voxels next to a lesion are no part of them."""
LEAST_VOXELS = 2
HIGHEST_ADC = 4000.0
"""Scanners clip noise above the diffusion of free water (3000 at body temperature)."""
ADC_UNITS = (1.0, 1e-3, 1e-6)
"""1e-6, 1e-3 and 1 mm2/s, as the field's files have them."""


@dataclass(frozen=True)
class Acquisition:
    """Images on one grid with thick slices; arrays (z, y, x), indices growing to the right, anterior and superior.

    Parameters
    ----------
    dwi, adc, flair : numpy.ndarray
        float32, 0 outside the brain; ADC in 1e-6 mm2/s, `flair` None where the scene has none.
    lesion : numpy.ndarray
        bool, what an expert would draw.
    spacing_mm : tuple of float
        (x, y, z).
    """

    dwi: FloatArray
    adc: FloatArray
    flair: FloatArray | None
    lesion: Mask
    spacing_mm: tuple[float, float, float]


def acquire(
    rng: np.random.Generator, scene: Scene, lesion: Mask, healthy_dwi: FloatArray, noise_scale: float = 1.0
) -> Acquisition:
    """Scan a scene.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    scene : Scene
        With lesions and all.
    lesion : numpy.ndarray
        bool (z, y, x), where the stroke is.
    healthy_dwi : numpy.ndarray
        The DWI of the same scene without the stroke, for the contrast that a drawn lesion must have.
    noise_scale : float
        How much of the drawn noise to add: less where tissue comes from a real, already noisy image.

    Returns
    -------
    Acquisition
        Lesions too faint to be drawn are not in its mask.
    """
    slice_mm = float(SPACING_MM if rng.random() < 0.3 else rng.uniform(*SLICE_MM))
    coil = np.exp(rng.uniform(0.05, 0.25) * draw_smooth_field(rng, scene.shape, rng.uniform(60, 140)))
    blur = rng.uniform(0.0, 0.6)
    b0 = _through_slices(ndimage.gaussian_filter(scene.b0 * coil, blur), slice_mm)
    dwi = _through_slices(ndimage.gaussian_filter(scene.dwi * coil, blur), slice_mm)
    healthy = _through_slices(ndimage.gaussian_filter(healthy_dwi * coil, blur), slice_mm)
    drawn = _through_slices(lesion.astype(np.float32), slice_mm) >= 0.5
    kept = _through_slices(draw_brain_mask(rng, scene).astype(np.float32), slice_mm) >= 0.5
    inside = kept & (dwi > 0)
    if inside.any():
        drawn = drop_faint(drawn & kept, dwi, healthy, inside)
    level = dwi[inside].mean() if inside.any() else 1.0
    noise = noise_scale * level / rng.uniform(*SIGNAL_TO_NOISE)
    dwi, b0 = _jitter_slices(rng, dwi, b0)
    # an average of several acquisitions and directions makes the DWI cleaner per signal than its b0
    dwi, b0 = add_rician_noise(rng, dwi, noise), add_rician_noise(rng, b0, noise * rng.uniform(1.0, 2.0))
    ratio = np.maximum(b0, 1e-6) / np.maximum(dwi, 1e-6)
    adc = np.clip(np.log(np.maximum(ratio, 1.0)) / (B_VALUE_S_MM2 * 1e-6), 0, HIGHEST_ADC)
    flair = None if scene.flair is None else _scan_flair(rng, scene.flair, slice_mm) * kept
    return Acquisition(
        dwi=np.asarray(dwi * kept * rng.uniform(80, 1200) / max(level, 1e-6), dtype=np.float32),
        adc=np.asarray(adc * kept, dtype=np.float32),
        flair=None if flair is None else np.asarray(flair * rng.uniform(100, 1000), dtype=np.float32),
        lesion=drawn,
        spacing_mm=(SPACING_MM, SPACING_MM, slice_mm),
    )


def add_rician_noise(rng: np.random.Generator, signal: FloatArray, deviation: float) -> FloatArray:
    """Add noise to both parts of a complex signal and take its magnitude (Gudbjartsson & Patz 1995)."""
    real = signal + deviation * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, deviation * rng.standard_normal(signal.shape, dtype=np.float32)))


def drop_faint(drawn: Mask, dwi: FloatArray, healthy_dwi: FloatArray, brain: Mask) -> Mask:
    """Keep the lesions (26-connected) that have more than a voxel, differ from healthy tissue, and stand out.

    Parameters
    ----------
    drawn : numpy.ndarray
        bool (z, y, x): what an expert would draw if all of it could be seen.
    dwi, healthy_dwi : numpy.ndarray
        (z, y, x): the DWI, and the same without the stroke.
    brain : numpy.ndarray
        bool (z, y, x), not empty: where the images are not 0.
    """
    deviation = dwi[brain].std() + 1e-6
    labels, _ = count_components(drawn)
    beyond_edges = brain & ~ndimage.binary_dilation(drawn)
    kept = np.zeros_like(drawn)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        near = tuple(slice(max(side.start - SURROUNDINGS_VOXELS, 0), side.stop + SURROUNDINGS_VOXELS) for side in box)
        lesion = labels[near] == number
        around = ndimage.binary_dilation(lesion, iterations=SURROUNDINGS_VOXELS) & beyond_edges[near]
        change = (dwi[near] - healthy_dwi[near])[lesion].max() / deviation
        # a stroke that fills the field of view has no surroundings, and is seen
        contrast = (dwi[near][lesion].mean() - np.median(dwi[near][around])) / deviation if around.any() else np.inf
        if lesion.sum() >= LEAST_VOXELS and change >= LEAST_CHANGE and contrast >= LEAST_CONTRAST:
            kept[near] |= lesion
    return kept


def draw_brain_mask(rng: np.random.Generator, scene: Scene) -> Mask:
    """Draw what an imperfect brain extraction keeps: a little less, a little more, now and then a piece of skull."""
    edge = (measure_depth_mm(~scene.brain) - scene.depth_mm) / SPACING_MM
    uneven = draw_smooth_field(rng, scene.shape, rng.uniform(15, 40))
    # in voxels of 2 mm; positive keeps more
    reach = rng.normal(0.2, 0.7) + rng.uniform(0.1, 0.6) * uneven
    if rng.random() < 0.2:
        reach = reach + np.clip(draw_smooth_field(rng, scene.shape, 30.0) - 1.2, 0, 2) * rng.uniform(1, 4)
    return np.asarray(edge <= reach)


def _through_slices(volume: FloatArray, slice_mm: float) -> FloatArray:
    """Average (z, y, x) over the thickness of slices that lie side by side."""
    if slice_mm == SPACING_MM:
        return volume
    fine = np.concatenate([np.zeros_like(volume[:1]), np.cumsum(volume, axis=0, dtype=np.float64)])
    edges = np.arange(0, volume.shape[0] + 1e-6, slice_mm / SPACING_MM)
    low = np.minimum(edges.astype(int), volume.shape[0] - 1)
    share = (edges - low).reshape(-1, 1, 1)
    at_edges = fine[low] * (1 - share) + fine[low + 1] * share
    return np.asarray(np.diff(at_edges, axis=0) * (SPACING_MM / slice_mm), dtype=np.float32)


def _jitter_slices(rng: np.random.Generator, *volumes: FloatArray) -> tuple[FloatArray, ...]:
    """Slices differ in brightness by a few per cent; a patient who moved shifts some of them."""
    count = volumes[0].shape[0]
    gains = 1 + rng.uniform(0, 0.04) * rng.standard_normal((count, 1, 1)).astype(np.float32)
    jittered = [volume * gains for volume in volumes]
    if rng.random() < 0.15:
        for index in rng.integers(count, size=rng.integers(1, 5)):
            shift = rng.integers(-1, 2, size=2)
            for volume in jittered:
                volume[index] = np.roll(volume[index], shift, axis=(0, 1))
    return tuple(jittered)


def _scan_flair(rng: np.random.Generator, flair: FloatArray, slice_mm: float) -> FloatArray:
    """FLAIR comes from another acquisition: its own coil shading and noise, its registration a little off."""
    shading = np.exp(rng.uniform(0.05, 0.2) * draw_smooth_field(rng, flair.shape, rng.uniform(60, 140)))
    moved = ndimage.shift(flair * shading, rng.normal(0, 0.4, 3), order=1, mode="nearest")
    smooth = ndimage.gaussian_filter(moved, (rng.uniform(0.2, 1.4), rng.uniform(0, 0.5), rng.uniform(0, 0.5)))
    scanned = _through_slices(smooth, slice_mm)
    level = scanned[scanned > 0.05 * scanned.max()].mean() if scanned.any() else 1.0
    return add_rician_noise(rng, scanned / level, 1 / rng.uniform(20, 80))


def choose_adc_unit(rng: np.random.Generator) -> float:
    """Choose the factor that turns 1e-6 mm2/s into the unit of a file."""
    return float(rng.choice(np.array(ADC_UNITS)))


def to_scaled_integers(volume: FloatArray) -> NDArray[np.int16]:
    """Round to the 16-bit integers that scanners store."""
    return np.clip(np.rint(volume), -(2**15), 2**15 - 1).astype(np.int16)
