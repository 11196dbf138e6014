"""The child process that runs Elastix: arrays in on stdin, the registered array or a matrix out on stdout.

Elastix runs in a process of its own because its global thread count must be 1 (two threads crash itk-elastix 0.25),
because it holds Python's interpreter lock while the networks want to run, and because a crash of it must be a message,
not the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from deepisles.preparation.registration_service import serve

STAGES = ("translation", "affine", "bspline")
"""Elastix' default stages, which the original runs by giving none (SimpleElastix 3.0a1)."""
GRID_SPACING_SCHEDULE = ("2.803221", "1.988100", "1.41", "1.0")
"""The B-spline stage's schedule in the original's library: powers of 1.41, where itk-elastix takes those of sqrt(2)."""
RESULT_INTERPOLATION_ORDER = "3"
"""The registered image is resampled once, by cubic B-splines, 0 outside."""
ALIGN_STAGES = ("rigid", "affine")
ALIGN_BLUR = ("4", "2")
"""Gaussian pyramid of `align`, in voxels; the images have about 2 mm."""
ALIGN_ITERATIONS = "250"
ALIGN_SAMPLES = "3000"
"""Voxels that an iteration looks at: what Elastix takes by itself is 2048."""


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
    itk = load_itk()
    parameters = itk.ParameterObject.New()
    for stage in STAGES:
        stage_map = parameters.GetDefaultParameterMap(stage)
        stage_map["ResultImagePixelType"] = ["float"]
        stage_map["FinalBSplineInterpolationOrder"] = [RESULT_INTERPOLATION_ORDER]
        if stage == "bspline":
            stage_map["GridSpacingSchedule"] = GRID_SPACING_SCHEDULE
        parameters.AddParameterMap(stage_map)
    result, _ = itk.elastix_registration_method(
        to_itk(fixed, geometry, "fixed"),
        to_itk(moving, geometry, "moving"),
        parameter_object=parameters,
        number_of_threads=1,
        log_to_console=False,
        log_to_file=False,
    )
    return np.asarray(itk.array_from_image(result), dtype=np.float32)


def align(
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    geometry: dict[str, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Find the affine transform that lays `moving` on `fixed`, by mutual information, from the centres of gravity.

    Parameters
    ----------
    fixed, moving, geometry
        As for `register`.

    Returns
    -------
    numpy.ndarray
        4 x 4, from the fixed image's LPS millimetres to the moving one's.
    """
    itk = load_itk()
    parameters = itk.ParameterObject.New()
    for stage in ALIGN_STAGES:
        stage_map = parameters.GetDefaultParameterMap(stage)
        stage_map["NumberOfResolutions"] = [str(len(ALIGN_BLUR))]
        stage_map["ImagePyramidSchedule"] = [step for step in ALIGN_BLUR for _axis in range(3)]
        stage_map["MaximumNumberOfIterations"] = [ALIGN_ITERATIONS]
        stage_map["NumberOfSpatialSamples"] = [ALIGN_SAMPLES]
        stage_map["AutomaticTransformInitialization"] = ["true" if stage == ALIGN_STAGES[0] else "false"]
        stage_map["AutomaticTransformInitializationMethod"] = ["CenterOfGravity"]
        # the same images give the same transform
        stage_map["RandomSeed"] = ["1"]
        stage_map["WriteResultImage"] = ["false"]
        parameters.AddParameterMap(stage_map)
    _, found = itk.elastix_registration_method(
        to_itk(fixed, geometry, "fixed"),
        to_itk(moving, geometry, "moving"),
        parameter_object=parameters,
        number_of_threads=1,
        log_to_console=False,
        log_to_file=False,
    )
    matrix = np.eye(4)
    for index in range(found.GetNumberOfParameterMaps()):
        # each stage is applied to where the ones before it led
        matrix = read_transform(found.GetParameterMap(index)) @ matrix
    return matrix


def read_transform(found: Any) -> NDArray[np.float64]:  # noqa: ANN401 - ITK's own mapping of texts
    """Make a 4 x 4 matrix of the parameters of an Euler or affine transform, as Elastix writes them."""
    numbers = np.array([float(text) for text in found["TransformParameters"]])
    center = np.array([float(text) for text in found["CenterOfRotationPoint"]])
    if found["Transform"][0] == "EulerTransform":
        # ITK turns about y first, then x, then z
        linear = Rotation.from_euler("yxz", numbers[[1, 0, 2]]).as_matrix()
    else:
        linear = numbers[:9].reshape(3, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = numbers[-3:] + center - linear @ center
    return matrix


def load_itk() -> Any:  # noqa: ANN401 - a module without types
    """Load Elastix, on one thread."""
    import itk

    itk.MultiThreaderBase.SetGlobalMaximumNumberOfThreads(1)
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)
    # asking for it loads it
    itk.ParameterObject.New()
    return itk


def to_itk(array: NDArray[np.float32], geometry: dict[str, NDArray[np.float64]], role: str) -> Any:  # noqa: ANN401
    """Make an ITK image of an array (z, y, x) and the geometry of its role."""
    itk = load_itk()
    image = itk.image_from_array(np.ascontiguousarray(array))
    image.SetSpacing(geometry[f"{role}_spacing"])
    image.SetOrigin(geometry[f"{role}_origin"])
    image.SetDirection(itk.matrix_from_array(geometry[f"{role}_direction"].reshape(3, 3)))
    return image


def main() -> None:
    """Serve one registration over the standard streams."""
    serve({"bend": register, "align": align}, load_itk)


if __name__ == "__main__":
    main()
