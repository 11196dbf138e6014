"""Pictures of the preparation show what went wrong with it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from storage_orders import GRID, make_head

from deepisles.reports.quality_pictures import BRAIN_COLOUR, draw_brain_mask_check, draw_registration_check

OUTLINE = np.array([int(BRAIN_COLOUR[i : i + 2], 16) for i in (1, 3, 5)])


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def find_outline(png):
    return np.abs(decode(png) - OUTLINE).max(axis=-1) < 60


def test_the_brain_of_the_dwi_is_outlined_on_the_flair():
    image, _ = make_head()
    shifted = np.roll(image, 8, axis=1)
    right, wrong = draw_registration_check(image, image, GRID), draw_registration_check(image, shifted, GRID)
    # the outline is the DWI's in both: what lies under it is not
    upper = slice(0, decode(right).shape[0] // 2)
    assert find_outline(right)[upper].sum() > 500
    assert find_outline(right)[upper].sum() == find_outline(wrong)[upper].sum()
    assert np.abs(decode(right) - decode(wrong))[upper].max() > 100


def test_a_chessboard_of_equal_images_has_no_seams():
    image, _ = make_head()
    # one grey step per field would show up as more levels than the image has
    lower = decode(draw_registration_check(image, image, GRID))
    lower = lower[lower.shape[0] // 2 :]
    other = decode(draw_registration_check(image, image * 1000, GRID))
    np.testing.assert_array_equal(lower, other[other.shape[0] // 2 :])


def test_a_mask_that_cuts_off_brain_shows_the_brain_outside_it():
    image, _ = make_head()
    whole, cut = (image > 0).astype(np.uint8), (image > 0).astype(np.uint8)
    cut[:, :20] = 0
    picture = draw_brain_mask_check(image, cut, GRID)
    # the head is shown as it came: as much of it as under the whole mask
    bright = (decode(picture).max(axis=-1) > 40).mean()
    assert bright > 0.8 * (decode(draw_brain_mask_check(image, whole, GRID)).max(axis=-1) > 40).mean()
    assert find_outline(picture).sum() > 500
