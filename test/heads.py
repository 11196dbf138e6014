"""Made-up heads: brain, fluid, bone and scalp as nested ellipsoids, with the contrasts that tell images apart."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from volumes import make_grid

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.volume import Volume

BRAIN_LEVEL = 500.0
CONTRASTS = {
    # brain, fluid, bone, scalp
    "dwi": (1.0, 0.1, 0.03, 0.08),
    "flair": (1.0, 0.15, 0.1, 1.3),
}
SEMIAXES_MM = (65.0, 80.0, 60.0)
LAYERS_MM = {"brain": 0.0, "fluid": 3.0, "bone": 10.0, "scalp": 16.0}
BRAIN_ML = 4 / 3 * np.pi * np.prod(SEMIAXES_MM) / 1000


class IntensityExtractor:
    """Takes for brain what has the brain's intensity in these heads, and counts how often it is asked."""

    name = "intensity 1.0"

    def __init__(self):
        self.asked = 0

    def find_brain(self, volume):
        """Find it."""
        self.asked += 1
        return (volume.array > 0.85 * BRAIN_LEVEL) & (volume.array < 1.15 * BRAIN_LEVEL)


def make_head(
    contrast="dwi", *, stripped=False, spacing_mm=(2.0, 2.0, 5.0), fov_mm=(230, 240, 170), shift_mm=(0, 0, 0), seed=0,
    dtype=np.float32, rotation_deg=(4, -6, 10), keep=1.0,
):  # fmt: skip
    """Make a head, or its brain alone, on an oblique grid centred on it; a shift moves its header, not its voxels.

    `keep` is the part of the slices, from below, that the field of view has.
    """
    shape = tuple(int(extent / spacing) for extent, spacing in zip(fov_mm, spacing_mm, strict=True))[::-1]
    centred = make_grid(shape, spacing_mm, (0, 0, 0), rotation_deg)
    centre_mm = centred.to_physical_mm(np.array([(side - 1) / 2 for side in shape]))
    grid = make_grid(shape, spacing_mm, tuple(np.array(shift_mm) - centre_mm), rotation_deg)
    index = np.stack(np.meshgrid(*(np.arange(side) for side in shape), indexing="ij"), axis=-1)
    position_mm = centred.to_physical_mm(index) - centre_mm
    inside = {
        layer: sum((position_mm[..., axis] / (SEMIAXES_MM[axis] + thickness)) ** 2 for axis in range(3)) <= 1
        for layer, thickness in LAYERS_MM.items()
    }
    brain, fluid, bone, scalp = (BRAIN_LEVEL * share for share in CONTRASTS[contrast])
    noise = np.random.default_rng(seed).normal(0, 0.02, size=shape)
    array = np.select(list(inside.values()), [brain, fluid, bone, scalp], 0.0) * (1 + noise)
    if stripped:
        array = np.where(inside["brain"], array, 0.0)
    slices = max(2, int(shape[0] * keep))
    part = make_grid((slices, *shape[1:]), spacing_mm, grid.origin_mm, rotation_deg)
    return Volume(array[:slices].astype(dtype), part)


def make_adc(dwi):
    """Compute the ADC map (1e-3 mm2/s) that belongs to a head's DWI at b 1000: what is darker diffuses faster."""
    relative = np.maximum(dwi.array / BRAIN_LEVEL, 0.05)
    return dwi.with_array(np.where(dwi.array > 0, 0.8 - np.log(relative), 0.0).astype(np.float32))


def lay_on_middle(volume, dwi):
    """Resample an image onto a DWI's grid, centre of mass on centre of mass: so two patients' brains overlap most."""
    moving, fixed = (sitk.Cast(to_image(each), sitk.sitkFloat32) for each in (volume, dwi))
    middles = sitk.CenteredTransformInitializerFilter.MOMENTS
    move = sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), middles)
    return to_volume(sitk.Resample(moving, fixed, move, sitk.sitkLinear, 0.0, sitk.sitkFloat32))
