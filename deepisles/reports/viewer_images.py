"""What the page's viewer shows: copies of a case's images, small enough to lie in the page."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from deepisles.case.volume import Grid
from deepisles.reports.copy_grid import CopyGrid, choose_copy_grid
from deepisles.reports.display_window import find_window
from deepisles.reports.slice_choice import find_brain

VOXELS_TO_TRY = (1_000_000, 500_000, 200_000)
"""Of one copy; the next is tried where the copies of the one before are too large together."""
MOST_CHARACTERS = 4_000_000
"""Of all copies in base64: with the viewer's program, the pictures and the text less than 8 MB."""
WIDEST_PERCENTILES = (0.0, 99.9)
"""Within the brain: the values that 8 bits are spread over, beyond the window that is shown at first."""
GREY_LEVELS = 255
PROBABILITY_STEPS = 100


@dataclass(frozen=True)
class ViewerImage:
    """An image to look at.

    Parameters
    ----------
    name : str
        "DWI", "ADC" or "FLAIR".
    nifti : str
        Its copy: a .nii.gz of uint8, in base64.
    window : tuple of int
        The grey levels, 0 to 255, that are shown black and white at first.
    """

    name: str
    nifti: str
    window: tuple[int, int]


@dataclass(frozen=True)
class ViewerImages:
    """Everything that the viewer shows.

    Parameters
    ----------
    images : tuple of ViewerImage
        What can be looked at.
    mask, probability, agreement : str
        What can be laid over it, likewise: 0 and 1; 0 to 100; number of members.
    slice_axis : str
        "x", "y" or "z": the index axis that slices are counted along.
    stored_slices : tuple of int
        Index along it in storage, for every slice of the copies from below.
    block : tuple of int
        Voxels (columns, rows, slices) that were averaged to one.
    """

    images: tuple[ViewerImage, ...]
    mask: str
    probability: str
    agreement: str
    slice_axis: str
    stored_slices: tuple[int, ...]
    block: tuple[int, int, int]

    @property
    def characters(self) -> int:
        """Length of all copies together."""
        return sum(map(len, (self.mask, self.probability, self.agreement, *(image.nifti for image in self.images))))


def copy_for_viewer(
    images: Mapping[str, NDArray[Any]],
    mask: NDArray[np.uint8],
    probability: NDArray[np.float32],
    agreement: NDArray[np.uint8],
    grid: Grid,
) -> ViewerImages:
    """Copy the images and maps (z, y, x) of a case: cropped to the brain, 8 bits, coarser where they are large.

    Images are averaged over a coarse voxel; of mask, probability and agreement it gets the highest value.
    """
    brain = find_brain(next(iter(images.values())))
    for most_voxels in VOXELS_TO_TRY:
        place = choose_copy_grid(grid, brain | (mask > 0), most_voxels)
        copies = ViewerImages(
            images=tuple(_copy_image(name, image, brain, place) for name, image in images.items()),
            mask=_encode((place.reduce(mask, "max") > 0).astype(np.uint8), place),
            probability=_encode(_in_steps(place.reduce(probability, "max")), place),
            agreement=_encode(place.reduce(agreement, "max").astype(np.uint8), place),
            slice_axis=place.view.slice_axis,
            stored_slices=tuple(place.stored_slice(index) for index in range(place.shape[0])),
            block=(place.block[2], place.block[1], place.block[0]),
        )
        if copies.characters <= MOST_CHARACTERS:
            break
    return copies


def _copy_image(name: str, image: NDArray[Any], brain: NDArray[np.bool_], place: CopyGrid) -> ViewerImage:
    window = find_window(name, image, brain)
    low, high = np.percentile(image[brain], WIDEST_PERCENTILES)
    low, high = min(float(low), window[0]), max(float(high), window[1])
    to_levels = GREY_LEVELS / max(high - low, 1e-9)
    levels = np.clip(np.rint((place.reduce(image.astype(np.float32), "mean") - low) * to_levels), 0, GREY_LEVELS)
    shown = tuple(round((value - low) * to_levels) for value in window)
    return ViewerImage(name, _encode(levels.astype(np.uint8), place), (shown[0], max(shown[1], shown[0] + 1)))


def _in_steps(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(probability, 0, 1) * PROBABILITY_STEPS).astype(np.uint8)


def _encode(copy: NDArray[np.uint8], place: CopyGrid) -> str:
    image = nib.Nifti1Image(copy.transpose(), place.affine_ras)
    # without a time of day in it, the same case gives the same page
    return base64.b64encode(gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)).decode("ascii")
