"""The child process that runs Elastix: arrays in on stdin, the registered array out on stdout.

Elastix runs in a process of its own because its global thread count must be 1 (two threads crash itk-elastix 0.25),
because it holds Python's interpreter lock while the networks want to run, and because a crash of it must be a message,
not the end.
"""

from __future__ import annotations

import io
import os
import sys

import numpy as np
from numpy.typing import NDArray

STAGES = ("translation", "affine", "bspline")
"""Elastix' default stages, which the original runs by giving none (SimpleElastix 3.0a1)."""
GRID_SPACING_SCHEDULE = ("2.803221", "1.988100", "1.41", "1.0")
"""The B-spline stage's schedule in the original's library: powers of 1.41, where itk-elastix takes those of sqrt(2)."""
RESULT_INTERPOLATION_ORDER = "3"
"""The registered image is resampled once, by cubic B-splines, 0 outside."""


def register(
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    geometry: dict[str, NDArray[np.float64]],
) -> NDArray[np.float32]:
    """Register `moving` to `fixed` by translation, affine and B-spline stages.

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
    import itk

    itk.MultiThreaderBase.SetGlobalMaximumNumberOfThreads(1)
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)

    def to_itk(array: NDArray[np.float32], role: str) -> itk.Image:
        image = itk.image_from_array(np.ascontiguousarray(array))
        image.SetSpacing(geometry[f"{role}_spacing"])
        image.SetOrigin(geometry[f"{role}_origin"])
        image.SetDirection(itk.matrix_from_array(geometry[f"{role}_direction"].reshape(3, 3)))
        return image

    parameters = itk.ParameterObject.New()
    for stage in STAGES:
        stage_map = parameters.GetDefaultParameterMap(stage)
        stage_map["ResultImagePixelType"] = ["float"]
        stage_map["FinalBSplineInterpolationOrder"] = [RESULT_INTERPOLATION_ORDER]
        if stage == "bspline":
            stage_map["GridSpacingSchedule"] = GRID_SPACING_SCHEDULE
        parameters.AddParameterMap(stage_map)
    result, _ = itk.elastix_registration_method(
        to_itk(fixed, "fixed"),
        to_itk(moving, "moving"),
        parameter_object=parameters,
        number_of_threads=1,
        log_to_console=False,
        log_to_file=False,
    )
    return np.asarray(itk.array_from_image(result), dtype=np.float32)


def main() -> None:
    """Serve one registration over the standard streams."""
    # what Elastix prints must not mix with the answer
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as request:
        arrays = dict(request)
    registered = register(arrays.pop("fixed"), arrays.pop("moving"), arrays)
    buffer = io.BytesIO()
    np.save(buffer, registered, allow_pickle=False)
    with answer:
        answer.write(buffer.getvalue())


if __name__ == "__main__":
    main()
