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
    images: PreparedCase, maps: Mapping[str, Volume], brain_mask: Volume | None, registered: bool, choice: PictureChoice
) -> PagePictures:
    """Draw a case.

    Parameters
    ----------
    images : PreparedCase
        What is shown.
    maps : mapping
        "lesion_mask", "lesion_probability" and "lesion_agreement" on the images' grid.
    brain_mask : Volume or None
        Likewise, where the brain was extracted.
    registered : bool
        Whether the FLAIR was registered, which a picture then lets judge.
    choice : str
        How much is wanted.
    """
    if choice == "none":
        return PagePictures()
    grid = images.grid
    arrays = {name: volume.array for name, volume in images.by_name().items()}
    mask, probability, agreement = (maps[f"lesion_{name}"].array for name in ("mask", "probability", "agreement"))
    return PagePictures(
        overview=draw_overview(arrays, mask, grid),
        registration=draw_registration_check(arrays["DWI"], arrays["FLAIR"], grid)
        if registered and "FLAIR" in arrays
        else None,
        brain_mask=None if brain_mask is None else draw_brain_mask_check(arrays, brain_mask.array, grid),
        viewer=copy_for_viewer(arrays, mask, probability, agreement, grid) if choice == "viewer" else None,
    )
