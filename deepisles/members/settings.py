"""How each member prepares, windows and blends: the numbers that come with its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SealsSettings:
    """SEALS (nnU-Net v1 plans); axes are those the networks see: (z, y, x) in the order that `transpose` gives.

    Parameters
    ----------
    patch_size : 3-tuple of int
        Sliding-window size.
    spacing_mm : 3-tuple of float
        Spacing that the networks were trained at.
    transpose : 3-tuple of int
        Axis order that the networks see (nnU-Net's `transpose_forward`).
    mask_normalisation : tuple of bool
        Per channel (DWI, ADC): normalise over the non-zero mask only (nnU-Net's `use_mask_for_norm`).
    mirror_axes : tuple of int
        Axes that test-time mirroring flips, all combinations.
    step : float
        Window step as a share of the patch.
    resampling : str
        "nnunet": to 1 mm in physical space and from there to `spacing_mm`, as the original. "axes": from the DWI's grid
        to `spacing_mm` along its own axes, as `deepisles train` does for its small networks; what is seen then does not
        hang on the last digits of the scan's direction, and `transpose` and `mask_normalisation` have no part in it.
    """

    patch_size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    transpose: tuple[int, int, int]
    mask_normalisation: tuple[bool, ...]
    mirror_axes: tuple[int, ...] = (0, 1, 2)
    step: float = 0.5
    resampling: Literal["nnunet", "axes"] = "nnunet"


@dataclass(frozen=True)
class NvautoSettings:
    """NVAUTO; axes (x, y, z), the order of the original's arrays.

    Defaults are the original's (DeepISLES, src/NVAUTO/process.py).
    """

    window: tuple[int, int, int] = (192, 192, 128)
    overlap: float = 0.625
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class SwanSettings:
    """SWAN; axes (x, y, z), the order of the original's arrays.

    Defaults are the original's (DeepISLES, src/FACTORIZER).
    """

    window: tuple[int, int, int] = (64, 64, 64)
    overlap: float = 0.5
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0)
