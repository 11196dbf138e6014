"""Real cases read as background for synthetic strokes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from deepisles.case.volume import Grid
from deepisles.errors import InputRefused
from deepisles.findings.adc_unit import recognise_adc_unit
from deepisles.members.axis_resampling import resample_to
from deepisles.training.examples import AlignedCase, find_brain_box, read_aligned
from deepisles.training.layout import TrainingCase
from deepisles.training.synthesis.real_tissue import RealTissue
from deepisles.training.synthesis.scene import SPACING_MM, FloatArray

ROOM_VOXELS = 8
"""Empty voxels kept around a brain, for warps."""


def load_real_tissue(case: TrainingCase) -> RealTissue:
    """Read a case and bring it to 2 mm, indices growing to the right, anterior and superior.

    Raises
    ------
    InputRefused
        If its slices are not axial.
    DeepIslesError
        If its images cannot be used; the message names the case.
    """
    aligned = read_aligned(case)
    flip = _find_flips(aligned.grid, case.name)
    adc_1e6 = np.asarray(aligned.adc * recognise_adc_unit(aligned.adc).to_1e6_mm2_s, dtype=np.float32)
    volumes = [aligned.dwi, adc_1e6, aligned.lesion.astype(np.float32)]
    volumes += [] if aligned.flair is None else [aligned.flair]
    fine = [_resample(volume, aligned)[flip] for volume in volumes]
    brain = ndimage.binary_fill_holes(fine[0] > 0)
    box = find_brain_box(brain)
    cut = [np.pad(volume[box], ROOM_VOXELS) for volume in fine]
    return RealTissue(
        dwi=cut[0],
        adc_1e6_mm2_s=cut[1],
        flair=cut[3] if aligned.flair is not None else None,
        brain=np.pad(brain[box], ROOM_VOXELS),
        lesion=cut[2] >= 0.5,
    )


def _resample(volume: NDArray[np.float32], aligned: AlignedCase) -> FloatArray:
    native = torch.from_numpy(np.ascontiguousarray(volume.transpose(2, 1, 0)))[None, None]
    resampled = resample_to(native, aligned.grid.spacing_mm, (SPACING_MM,) * 3)[0, 0]
    return np.asarray(resampled.numpy().transpose(2, 1, 0), dtype=np.float32)


def _find_flips(grid: Grid, name: str) -> tuple[slice, slice, slice]:
    """Find the flips (z, y, x) that turn storage order toward right, anterior and superior."""
    to_ras = grid.affine_ras[:3, :3] / np.linalg.norm(grid.affine_ras[:3, :3], axis=0)
    if any(np.argmax(np.abs(to_ras[:, axis])) != axis for axis in range(3)):
        raise InputRefused(f"Training case {name} has no axial slices: leave it out as a background.")
    x, y, z = (slice(None, None, 1 if to_ras[axis, axis] > 0 else -1) for axis in range(3))
    return z, y, x
