"""One image of a DICOM file in plain values: what the rules that pick DWI, ADC and FLAIR look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Directionality = Literal["none", "isotropic", "directional"]
"""Diffusion Directionality (0018,9075), PS3.3 C.8.13.5.9; BMATRIX counts as directional."""

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Weighting:
    """Diffusion weighting of one image.

    Parameters
    ----------
    b_value_s_mm2 : float or None
        b-value; None where no tag holds one.
    directionality : str or None
        "isotropic": a trace or mean of directions; None: not said.
    direction : tuple of float or None
        Unit vector of the gradient in the vendor's own axes, where there is one.
    source : str
        The tag that said the b-value, in words of this program.
    """

    b_value_s_mm2: float | None = None
    directionality: Directionality | None = None
    direction: Vector | None = None
    source: str = ""


@dataclass(frozen=True)
class Frame:
    """One image: a file of its own, or one frame of a multi-frame file.

    Parameters
    ----------
    path : Path
        Its file.
    index : int or None
        Frame in the file, from 0; None where the file is one image.
    instance_uid, series_uid, study_uid : str
        SOP Instance, Series Instance and Study Instance UID.
    series_number : int or None
        As the scanner's console and every viewer show it.
    patient, description, protocol, sequence : str
        Patient ID and free text in upper case. They can hold names: only compared and matched, never shown.
    is_mr_image : bool
        A gray MR image or enhanced MR image, not a screenshot, spectrum or color map.
    vendor : str
        "siemens", "ge", "philips", "canon" or "other".
    words : tuple of str
        The values of Image Type (0008,0008) or Frame Type (0008,9007), in upper case.
    rows, columns : int
        Size in voxels.
    spacing_mm : tuple of float or None
        Between rows, between columns.
    position_mm : tuple of float or None
        Centre of the first voxel, LPS.
    axes : tuple of float or None
        Direction cosines of a row and of a column, LPS, six numbers.
    mosaic_slices : int
        How many slices a Siemens mosaic holds side by side; 1 for any other image.
    weighting : Weighting
        Diffusion weighting.
    echo_ms, inversion_ms : float or None
        Echo time and inversion time.
    scale : tuple of float
        Rescale Slope and Rescale Intercept; () where there are none.
    has_contrast : bool
        Whether a contrast agent is named.
    order : tuple of int
        Temporal position and instance number, by which images at one place are told apart.
    """

    path: Path
    index: int | None
    instance_uid: str
    series_uid: str
    study_uid: str
    series_number: int | None
    patient: str = field(repr=False)
    description: str = field(repr=False)
    protocol: str = field(repr=False)
    sequence: str = field(repr=False)
    is_mr_image: bool
    vendor: str
    words: tuple[str, ...]
    rows: int
    columns: int
    spacing_mm: tuple[float, float] | None
    position_mm: Vector | None
    axes: tuple[float, ...] | None
    mosaic_slices: int
    weighting: Weighting
    echo_ms: float | None
    inversion_ms: float | None
    scale: tuple[float, ...]
    has_contrast: bool
    order: tuple[int, int]
