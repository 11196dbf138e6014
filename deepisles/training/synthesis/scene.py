"""A head before the scanner sees it: what each voxel would measure, free of noise and artefacts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float32]
Mask = NDArray[np.bool_]

SPACING_MM = 2.0
"""Voxel size of a scene along each axis: ISLES'22's median in-plane spacing (Hernandez Petzsche et al. 2022)."""
B_VALUE_S_MM2 = 1000.0
"""Diffusion weighting of clinical stroke protocols."""


@dataclass(frozen=True)
class Scene:
    """One head on an isotropic grid; arrays (z, y, x), indices growing to the right, anterior and superior.

    Parameters
    ----------
    b0 : numpy.ndarray
        T2-weighted signal without diffusion weighting, any scale.
    adc_1e6_mm2_s : numpy.ndarray
        Apparent diffusion coefficient.
    flair : numpy.ndarray or None
        FLAIR signal, any scale; None where the tissue came from a case without one.
    parenchyma : numpy.ndarray
        Share of grey and white matter, 0 to 1.
    brain : numpy.ndarray
        What brain extraction keeps.
    depth_mm : numpy.ndarray
        Distance to the brain's surface, inside it; 0 outside.
    position_mm : numpy.ndarray
        (3, z, y, x): the MNI152 coordinate (x right, y anterior, z superior) that each voxel shows.
    """

    b0: FloatArray
    adc_1e6_mm2_s: FloatArray
    flair: FloatArray | None
    parenchyma: FloatArray
    brain: Mask
    depth_mm: FloatArray
    position_mm: FloatArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels (z, y, x)."""
        z, y, x = self.b0.shape
        return z, y, x

    @property
    def dwi(self) -> FloatArray:
        """Diffusion-weighted signal: ``b0 exp(-b ADC)``."""
        return np.asarray(self.b0 * np.exp(-B_VALUE_S_MM2 * 1e-6 * self.adc_1e6_mm2_s), dtype=np.float32)

    def change(
        self,
        *,
        adc_factor: FloatArray | float = 1.0,
        b0_factor: FloatArray | float = 1.0,
        flair_factor: FloatArray | float = 1.0,
    ) -> Scene:
        """Multiply what the voxels measure."""
        return replace(
            self,
            b0=np.asarray(self.b0 * b0_factor, dtype=np.float32),
            adc_1e6_mm2_s=np.asarray(self.adc_1e6_mm2_s * adc_factor, dtype=np.float32),
            flair=None if self.flair is None else np.asarray(self.flair * flair_factor, dtype=np.float32),
        )


def measure_depth_mm(mask: Mask) -> FloatArray:
    """Measure how far below a mask's surface each voxel (z, y, x) lies; 0 outside."""
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=SPACING_MM), dtype=np.float32)
