"""What is drawn of a case: what was asked for, and what there is something to draw from."""

from __future__ import annotations

import numpy as np
import pytest
from storage_orders import GRID, make_head

from deepisles.case.volume import Volume
from deepisles.preparation.prepared import IsotropicImages, PreparedCase
from deepisles.reports.page_pictures import draw_pictures

IMAGE, LESION = make_head()
DWI = Volume(IMAGE, GRID)
MAPS = {
    "lesion_mask": Volume(LESION, GRID),
    "lesion_probability": Volume(LESION.astype(np.float32), GRID),
    "lesion_agreement": Volume(LESION * 3, GRID),
}
WITHOUT_FLAIR = PreparedCase(DWI, DWI, IsotropicImages(DWI, DWI))
WITH_FLAIR = PreparedCase(DWI, DWI, IsotropicImages(DWI, DWI), DWI)


@pytest.mark.parametrize(
    ("choice", "has_pictures", "has_viewer"), [("viewer", True, True), ("static", True, False), ("none", False, False)]
)
def test_what_was_asked_for(choice, has_pictures, has_viewer):
    drawn = draw_pictures(WITH_FLAIR, MAPS, choice)
    assert (drawn.overview is not None) == has_pictures
    assert (drawn.registration is not None) == has_pictures
    assert (drawn.viewer is not None) == has_viewer


def test_the_viewer_shows_the_images_that_there_are():
    def names(images):
        viewer = draw_pictures(images, MAPS).viewer
        return [image.name for image in viewer.images]

    assert names(WITHOUT_FLAIR) == ["DWI", "ADC"]
    assert names(WITH_FLAIR) == ["DWI", "ADC", "FLAIR"]


def test_the_preparation_is_drawn_where_it_was_done():
    assert draw_pictures(WITHOUT_FLAIR, MAPS).registration is None
    assert draw_pictures(WITHOUT_FLAIR, MAPS).brain_mask is None
    brain = {"brain_mask": Volume((IMAGE > 0).astype(np.uint8), GRID)}
    assert draw_pictures(WITHOUT_FLAIR, {**MAPS, **brain}, unstripped_dwi=DWI).brain_mask is not None
