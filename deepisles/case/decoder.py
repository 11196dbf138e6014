"""Who decodes an image file whose header was checked: by rule `ChildDecoder`, this process where files are trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from deepisles.case.decoded_image import DecodedImage, DecodingError, Trouble
from deepisles.case.image_header import refuse_damaged
from deepisles.errors import DeepIslesError, GeometryError, InputRefused


class ImageDecoder(Protocol):
    """Decodes image files whose headers were checked."""

    def decode(self, path: Path, image_io: str, shape: tuple[int, ...], role: str) -> DecodedImage:
        """Decode one image.

        Parameters
        ----------
        path : Path
            The file.
        image_io : str
            Name of the one ITK reader that may open it.
        shape : tuple of int
            Of the array, slowest axis first, as the checked header states it.
        role : str
            What the image is, for messages: "DWI".

        Raises
        ------
        InputRefused
            If the file cannot be decoded.
        GeometryError
            If its axes are not at right angles.
        """
        ...


class InProcessDecoder:
    """Decodes in this process: for files of one's own, as a training's are; a hostile one could crash it or worse."""

    def decode(self, path: Path, image_io: str, shape: tuple[int, ...], role: str) -> DecodedImage:
        """Decode one image; see `ImageDecoder`."""
        from deepisles.case.itk_decoding import decode_image

        try:
            return decode_image(str(path), image_io, shape)
        except DecodingError as error:
            raise refuse_undecodable(error.trouble, role) from error


def refuse_undecodable(trouble: Trouble, role: str) -> DeepIslesError:
    """Make the refusal of an image that cannot be decoded."""
    if trouble == "oblique":
        return GeometryError(
            f"The {role} image's axes are not at right angles: resample it onto a grid with orthogonal axes."
        )
    if trouble == "memory":
        return InputRefused(
            f"The {role} image takes more memory to decode than an image of its size may: export it again, "
            "or run on a machine with more memory."
        )
    return refuse_damaged(role)
