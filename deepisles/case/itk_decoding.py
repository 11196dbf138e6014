"""ITK decodes the voxels of an image file; what a hostile file does to it, it does to the process that runs this."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import SimpleITK as sitk

from deepisles.case.decoded_image import DecodedImage, DecodingError

WORDS_FOR_OBLIQUE: Final = ("orthonormal direction", "Bad direction")
WORDS_FOR_MEMORY: Final = ("bad_alloc", "bad allocation", "Failed to allocate memory")
"""What ITK's messages say in these cases."""


def decode_image(path: str, image_io: str, shape: tuple[int, ...]) -> DecodedImage:
    """Read an image file.

    Parameters
    ----------
    path : str
        The file.
    image_io : str
        Name of the one ITK reader that may open it.
    shape : tuple of int
        Of the array, slowest axis first, as the checked header states it; a fourth axis with a single volume may be
        left out.

    Raises
    ------
    DecodingError
        If ITK cannot read it, or finds something else than the header states.
    """
    # ITK's own warnings go to stderr, where only refusals belong
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(path)
    try:
        reader.ReadImageInformation()
        found = tuple(reader.GetSize())[::-1]
        if _without_single(found) != _without_single(shape) or reader.GetNumberOfComponents() != 1:
            raise DecodingError("damaged")
        image = reader.Execute()
        array = sitk.GetArrayFromImage(image)
    except RuntimeError as error:
        said = str(error)
        if any(words in said for words in WORDS_FOR_OBLIQUE):
            raise DecodingError("oblique") from error
        raise DecodingError("memory" if any(words in said for words in WORDS_FOR_MEMORY) else "damaged") from error
    except MemoryError as error:
        raise DecodingError("memory") from error
    return DecodedImage(array.reshape(shape), *_place(image))


def _without_single(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Leave out a fourth axis that holds a single volume."""
    return shape[1:] if len(shape) == 4 and shape[0] == 1 else shape


def _place(image: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - SimpleITK is untyped
    """Take spacing, origin and direction along the three axes of space."""
    axes = image.GetDimension()
    direction = np.asarray(image.GetDirection()).reshape(axes, axes)[:3, :3]
    return tuple(image.GetSpacing()[:3]), tuple(image.GetOrigin()[:3]), tuple(direction.ravel().tolist())
