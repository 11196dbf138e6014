"""The pictures in report.html, and what its viewer shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deepisles.case.volume import Volume
from deepisles.preparation.prepared import PreparedCase
from deepisles.reports.overview import draw_overview
from deepisles.reports.picture_choice import PictureChoice
from deepisles.reports.quality_pictures import draw_brain_mask_check, draw_registration_check
from deepisles.reports.viewer_images import ViewerImages, copy_for_viewer

BRAIN_MASK_NAME = "brain_mask"


@dataclass(frozen=True)
class PagePictures:
    """What of a case is drawn; None: not wanted, or there is nothing to draw it from.

    Parameters
    ----------
    overview : bytes or None
        PNG of overview.png.
    registration : bytes or None
        PNG that shows how the FLAIR lies on the DWI.
    brain_mask : bytes or None
        PNG that shows the brain mask, where the brain was extracted.
    viewer : ViewerImages or None
        Copies of the images.
    """

    overview: bytes | None = None
    registration: bytes | None = None
    brain_mask: bytes | None = None
    viewer: ViewerImages | None = None


def draw_pictures(
    images: PreparedCase,
    maps: Mapping[str, Volume],
    choice: PictureChoice = "viewer",
    unstripped_dwi: Volume | None = None,
) -> PagePictures:
    """Draw a case.

    Parameters
    ----------
    images : PreparedCase
        What is shown.
    maps : mapping
        "lesion_mask", "lesion_probability", "lesion_agreement" and, where the brain was extracted, "brain_mask", all on
        the images' grid.
    choice : str
        How much is wanted.
    unstripped_dwi : Volume, optional
        The DWI before the brain was extracted, by which a picture lets the mask be judged.
    """
    if choice == "none":
        return PagePictures()
    grid = images.grid
    arrays = {name: volume.array for name, volume in images.by_name().items()}
    mask, probability, agreement = (maps[f"lesion_{name}"].array for name in ("mask", "probability", "agreement"))
    registration = brain_mask = viewer = None
    if images.flair is not None:
        registration = draw_registration_check(images.dwi.array, images.flair.array, grid)
    if unstripped_dwi is not None and BRAIN_MASK_NAME in maps:
        brain_mask = draw_brain_mask_check(unstripped_dwi.array, maps[BRAIN_MASK_NAME].array, grid)
    if choice == "viewer":
        viewer = copy_for_viewer(arrays, mask, probability, agreement, grid)
    return PagePictures(draw_overview(arrays, mask, grid), registration, brain_mask, viewer)
