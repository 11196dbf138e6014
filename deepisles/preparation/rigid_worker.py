"""The child process that lays an image on another by turning and moving it: a second, where Elastix takes fifty."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from deepisles.preparation.registration_service import serve
from deepisles.preparation.rigid_motion import Climb, find_rigid_motion

STEP_MM = 3.0
"""Voxels that are compared are averaged to about this size; on the real cases 2 to 4 mm give the same mutual
information to 0.001 (docs/performance.md)."""
CLIMB = Climb(
    levels=((4, 8.0), (2, 4.0), (1, 0.0)), sampled_share=0.5, first_step_mm=1.0, last_step_mm=1e-3, most_steps=100
)


def register_rigidly(
    fixed: NDArray[np.float32], moving: NDArray[np.float32], geometry: dict[str, NDArray[np.float64]]
) -> NDArray[np.float32]:
    """Lay one image on another's grid by three rotations and three shifts, from where the headers place it.

    On one thread, the same images give the same result. The image is resampled once by cubic B-splines, 0 outside, as
    after Elastix.

    Parameters
    ----------
    fixed, moving : numpy.ndarray
        Arrays (z, y, x).
    geometry : dict
        ``fixed_spacing``, ``fixed_origin``, ``fixed_direction`` and the same for ``moving``; ITK's order (x, y, z).

    Returns
    -------
    numpy.ndarray
        The moving image on the fixed grid, float32 (z, y, x).
    """
    target, image = to_image(fixed, geometry, "fixed"), to_image(moving, geometry, "moving")
    start = sitk.Euler3DTransform()
    start.SetCenter(target.TransformContinuousIndexToPhysicalPoint([(side - 1) / 2 for side in target.GetSize()]))
    motion = find_rigid_motion(_average(target), _average(image), start, CLIMB)
    laid = sitk.Resample(image, target, motion, sitk.sitkBSpline, 0.0, sitk.sitkFloat32)
    return np.asarray(sitk.GetArrayFromImage(laid), dtype=np.float32)


def to_image(array: NDArray[np.float32], geometry: dict[str, NDArray[np.float64]], role: str) -> sitk.Image:
    """Make an image of an array (z, y, x) and the geometry of its role."""
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(geometry[f"{role}_spacing"].tolist())
    image.SetOrigin(geometry[f"{role}_origin"].tolist())
    image.SetDirection(geometry[f"{role}_direction"].tolist())
    return image


def _average(image: sitk.Image) -> sitk.Image:
    sides = zip(image.GetSpacing(), image.GetSize(), strict=True)
    return sitk.BinShrink(image, [max(1, min(round(STEP_MM / mm), side // 4)) for mm, side in sides])


def main() -> None:
    """Serve one registration over the standard streams."""
    # a global, and so only in a process of its own; results of more threads differ in their last digits
    serve({"turn": register_rigidly}, lambda: sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1))


if __name__ == "__main__":
    main()
