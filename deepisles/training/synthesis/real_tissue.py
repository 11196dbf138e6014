"""Real brains as background for synthetic strokes: their own lesion is replaced by the other side's tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from deepisles.training.synthesis.deformation import WARPS_MM
from deepisles.training.synthesis.noise import draw_smooth_field
from deepisles.training.synthesis.scene import B_VALUE_S_MM2, SPACING_MM, FloatArray, Mask, Scene, measure_depth_mm
from deepisles.training.synthesis.tissue_maps import load_tissue_maps

FLUID_ADC = 1500.0
"""Above it, in 1e-6 mm2/s, a voxel is more fluid than tissue."""
FEATHER_VOXELS = 1.5


@dataclass(frozen=True)
class RealTissue:
    """One real case at 2 mm; arrays (z, y, x), indices growing to the right, anterior and superior.

    Parameters
    ----------
    dwi, adc_1e6_mm2_s, flair : numpy.ndarray
        float32; `flair` lies on the DWI, None where there is none.
    brain, lesion : numpy.ndarray
        bool.
    """

    dwi: FloatArray
    adc_1e6_mm2_s: FloatArray
    flair: FloatArray | None
    brain: Mask
    lesion: Mask


def heal(tissue: RealTissue) -> Scene:
    """Turn a real case into a scene without its stroke.

    The mirror plane is the middle of the brain's box: good to a few millimetres, and the seams are feathered.
    """
    moved_mask = ndimage.binary_dilation(tissue.lesion, iterations=2)
    feathered = ndimage.gaussian_filter(moved_mask.astype(np.float32), FEATHER_VOXELS)
    blend = np.asarray(np.clip(feathered * 2, 0, 1), dtype=np.float32)
    box = ndimage.find_objects(tissue.brain.astype(np.uint8))[0]
    middle = box[2].start + box[2].stop - 1
    columns = middle - np.arange(tissue.dwi.shape[2])
    is_inside = (columns >= 0) & (columns < tissue.dwi.shape[2])

    def mirror(volume: FloatArray) -> FloatArray:
        other = np.where(is_inside, volume[..., np.clip(columns, 0, volume.shape[2] - 1)], 0)
        # where the other side shows no brain or is ill too, the tissue stays as it is
        usable = np.where(is_inside, (tissue.brain & ~tissue.lesion)[..., np.clip(columns, 0, volume.shape[2] - 1)], 0)
        share = blend * usable
        return np.asarray(volume * (1 - share) + other * share, dtype=np.float32)

    dwi = mirror(np.maximum(tissue.dwi, 0))
    adc = mirror(np.clip(tissue.adc_1e6_mm2_s, 0, 4000))
    return Scene(
        b0=dwi * np.exp(B_VALUE_S_MM2 * 1e-6 * adc),
        adc_1e6_mm2_s=adc,
        flair=None if tissue.flair is None else mirror(np.maximum(tissue.flair, 0)),
        parenchyma=np.asarray(np.clip((2 * FLUID_ADC - adc) / FLUID_ADC, 0, 1) * tissue.brain, dtype=np.float32),
        brain=tissue.brain,
        depth_mm=measure_depth_mm(tissue.brain),
        position_mm=_place_in_template(tissue.brain),
    )


def vary(rng: np.random.Generator, scene: Scene) -> Scene:
    """Warp, mirror and recolour a scene, so that one case serves as many."""
    index = np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) for n in scene.shape], indexing="ij"))
    centre = (np.array(scene.shape, dtype=np.float32).reshape(3, 1, 1, 1) - 1) / 2
    stretch = rng.normal(1, 0.06, (3, 1, 1, 1)).astype(np.float32)
    index = np.asarray(centre + (index - centre) / stretch, dtype=np.float32)
    for width, reach in WARPS_MM:
        for axis in range(3):
            index[axis] += reach / SPACING_MM * rng.uniform(0.4, 1.2) * draw_smooth_field(rng, scene.shape, width)
    if rng.random() < 0.5:
        index[2] = scene.shape[2] - 1 - index[2]

    def warp(volume: FloatArray) -> FloatArray:
        return np.asarray(ndimage.map_coordinates(volume, index, order=1, prefilter=False), dtype=np.float32)

    brain = warp(scene.brain.astype(np.float32)) > 0.5
    healthy = Scene(
        b0=warp(scene.b0),
        adc_1e6_mm2_s=warp(scene.adc_1e6_mm2_s),
        flair=None if scene.flair is None else warp(scene.flair),
        parenchyma=warp(scene.parenchyma),
        brain=brain,
        depth_mm=measure_depth_mm(brain),
        position_mm=np.stack([warp(part) for part in scene.position_mm]),
    )
    # other echo times and scanners: contrast between tissues changes, their order does not
    level = healthy.b0[brain].mean() if brain.any() else 1.0
    contrast = np.maximum(healthy.b0 / max(float(level), 1e-6), 1e-3) ** np.float32(rng.uniform(-0.2, 0.2))
    return healthy.change(b0_factor=contrast, adc_factor=rng.normal(1, 0.06))


def _place_in_template(brain: Mask) -> FloatArray:
    """Give each voxel an MNI152 position by fitting the brain's box to the template's."""
    maps = load_tissue_maps()
    box = ndimage.find_objects(brain.astype(np.uint8))[0][::-1]
    template = ndimage.find_objects((maps.shares.sum(axis=0) > 0.5).astype(np.uint8))[0]
    axes = []
    for axis, (own, other) in enumerate(zip(box, template, strict=True)):
        share = (np.arange(brain.shape[2 - axis]) - own.start) / max(own.stop - own.start - 1, 1)
        index = other.start + share * (other.stop - other.start - 1)
        axes.append(index * maps.affine[axis, axis] + maps.affine[axis, 3])
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    return np.stack([x, y, z]).astype(np.float32)
