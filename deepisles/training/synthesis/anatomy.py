"""A healthy head out of average tissue maps and physical tissue values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepisles.training.synthesis.deformation import draw_positions
from deepisles.training.synthesis.noise import draw_smooth_field
from deepisles.training.synthesis.scene import B_VALUE_S_MM2, FloatArray, Scene, measure_depth_mm
from deepisles.training.synthesis.tissue_maps import load_tissue_maps

GREY, WHITE, FLUID = 0, 1, 2
BRAIN_SHARE = 0.5
"""Share of tissue and fluid from which a voxel belongs to the brain."""
CORTEX_DEPTH_MM = 16.0
"""Depth below the brain's surface down to which sulci reach."""
CORTEX_MM = 2.5
"""Thickness of the cortex (Fischl & Dale 2000)."""
FOLD_MM = (9.0, 15.0)
"""Scale of the field whose zero makes the sheets: choices, by eye, as are the widths, in the field's deviations."""
SULCUS_WIDTH = (0.04, 0.34)
CORTEX_WIDTH = 0.4


@dataclass(frozen=True)
class TissueValues:
    """What grey matter, white matter and fluid measure, in this order.

    Parameters
    ----------
    adc_1e6_mm2_s : numpy.ndarray
        Trace diffusion: Helenius et al. 2002 give 890 for cortex, 700 for white matter; fluid at 37 degrees 3000.
    t2_ms, t1_ms : numpy.ndarray
        1.5 to 3 T: Stanisz et al. 2005, Wansapura et al. 1999.
    density : numpy.ndarray
        Proton density, white matter 0.7.
    """

    adc_1e6_mm2_s: NDArray[np.float64]
    t2_ms: NDArray[np.float64]
    t1_ms: NDArray[np.float64]
    density: NDArray[np.float64]


def draw_tissue_values(rng: np.random.Generator) -> TissueValues:
    """Draw tissue values between those of young and old heads, at 1.5 or 3 T."""
    field = rng.uniform(0, 1)
    grey_t2 = rng.normal(96 - 8 * field, 6)
    return TissueValues(
        adc_1e6_mm2_s=np.array([rng.normal(850, 60), rng.normal(745, 45), rng.normal(2950, 200)]),
        t2_ms=np.array([grey_t2, grey_t2 - rng.uniform(6, 22), rng.uniform(600, 1800)]),
        t1_ms=np.array([1100 + 500 * field, 700 + 250 * field, rng.normal(4200, 150)]),
        density=np.array([rng.normal(0.82, 0.03), 0.70, 1.0]),
    )


def draw_healthy_scene(rng: np.random.Generator) -> Scene:
    """Draw a head without lesions or artefacts."""
    position_mm = draw_positions(rng)
    shares = sharpen(load_tissue_maps().sample(position_mm), rng.uniform(1.2, 2.4))
    depth_mm = measure_depth_mm(shares.sum(axis=0) > BRAIN_SHARE)
    return mix(rng, fold_cortex(rng, shares, depth_mm), depth_mm, position_mm, draw_tissue_values(rng))


def sharpen(shares: FloatArray, power: float) -> FloatArray:
    """Undo some of the blur that averaging many heads has brought; shares (3, z, y, x) keep their sum."""
    whole = shares.sum(axis=0)
    raised = np.maximum(shares, 0) ** power
    return np.asarray(raised * (whole / np.maximum(raised.sum(axis=0), 1e-6)), dtype=np.float32)


def fold_cortex(rng: np.random.Generator, shares: FloatArray, depth_mm: FloatArray) -> FloatArray:
    """Fold the cortex along winding sheets near the surface: fluid in them, grey matter beside, white matter between.

    The tissue maps, shares (3, z, y, x), are averages of many heads, in which all but the deepest sulci have been lost.
    """
    sheets = np.abs(draw_smooth_field(rng, depth_mm.shape, rng.uniform(*FOLD_MM)))
    closeness = np.clip(1 - depth_mm / (CORTEX_DEPTH_MM * rng.uniform(0.7, 1.5)), 0, 1)
    reach = np.clip(closeness * 4, 0, 1)
    width = rng.uniform(*SULCUS_WIDTH) * (0.4 + 0.8 * closeness)
    grey, white, fluid = shares
    # cortex follows the surface and the sheets
    cortex = np.clip((width + CORTEX_WIDTH - sheets) / 0.2, 0, 1)
    follows = rng.uniform(0, 0.9) * reach * np.clip(depth_mm / CORTEX_MM - 0.5, 0, 1)
    tissue = grey + white
    grey = grey * (1 - follows) + tissue * cortex * follows
    carved = np.clip((width - sheets) / 0.1, 0, 1) * reach * rng.uniform(0.6, 1.0)
    return np.asarray(np.stack([grey * (1 - carved), (tissue - grey) * (1 - carved), fluid + tissue * carved]))


def mix(
    rng: np.random.Generator, shares: FloatArray, depth_mm: FloatArray, position_mm: FloatArray, values: TissueValues
) -> Scene:
    """Mix tissue signals within each voxel (signals add up, diffusion coefficients do not)."""
    echo_ms, flair_echo_ms = rng.uniform(60, 105), rng.uniform(85, 140)
    b0_each = values.density * np.exp(-echo_ms / values.t2_ms)
    # each tissue is a little uneven: fibre bundles, iron, age
    uneven = [1 + rng.uniform(0.02, 0.06) * draw_smooth_field(rng, shares.shape[1:], rng.uniform(10, 40)) for _ in "gw"]
    adc_each = [values.adc_1e6_mm2_s[GREY] * uneven[0], values.adc_1e6_mm2_s[WHITE] * uneven[1]]
    adc_each.append(np.full(shares.shape[1:], values.adc_1e6_mm2_s[FLUID], dtype=np.float32))
    b0 = sum(share * signal for share, signal in zip(shares, b0_each, strict=True))
    dwi = sum(
        share * signal * np.exp(-B_VALUE_S_MM2 * 1e-6 * adc)
        for share, signal, adc in zip(shares, b0_each, adc_each, strict=True)
    )
    # the inversion time that nulls fluid
    inversion_ms = values.t1_ms[FLUID] * np.log(2)
    recovered = np.abs(1 - 2 * np.exp(-inversion_ms / values.t1_ms))
    flair_each = values.density * recovered * np.exp(-flair_echo_ms / values.t2_ms) + 0.01
    flair = sum(share * signal for share, signal in zip(shares, flair_each, strict=True))
    texture = 1 + rng.uniform(0.01, 0.04) * draw_smooth_field(rng, shares.shape[1:], 6.0)
    whole = shares.sum(axis=0)
    adc = np.log(np.maximum(b0, 1e-6) / np.maximum(dwi, 1e-6)) / (B_VALUE_S_MM2 * 1e-6)
    return Scene(
        b0=np.asarray(b0 * texture, dtype=np.float32),
        adc_1e6_mm2_s=np.asarray(np.where(whole > 0.01, adc, 0), dtype=np.float32),
        flair=np.asarray(flair * texture, dtype=np.float32),
        parenchyma=np.asarray(shares[GREY] + shares[WHITE], dtype=np.float32),
        brain=depth_mm > 0,
        depth_mm=depth_mm,
        position_mm=position_mm,
    )
