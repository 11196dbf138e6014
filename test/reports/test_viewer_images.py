"""The viewer's copies lie where the images lie, lose no lesion, and are never large."""

from __future__ import annotations

import base64
import gzip

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from storage_orders import GRID, ORDERS, make_head, store, store_grid
from volumes import grids

from deepisles.case.volume import Grid
from deepisles.reports.copy_grid import choose_copy_grid
from deepisles.reports.html import render_html
from deepisles.reports.page_pictures import PagePictures
from deepisles.reports.viewer_images import MOST_CHARACTERS, copy_for_viewer

EVERYTHING = 10**9


def decode(copy: str) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(copy)))


def find_centroid_lps(mask: nib.Nifti1Image):
    index = np.argwhere(np.asarray(mask.dataobj) > 0)
    return apply_affine(mask.affine, index).mean(axis=0) * (-1, -1, 1)


@pytest.mark.parametrize(("order", "flips"), ORDERS)
def test_copies_show_the_same_place_whatever_the_storage_order(order, flips):
    image, lesion = make_head()
    grid = store_grid(GRID, order, flips)
    stored = store(image, order, flips)
    copies = copy_for_viewer(
        {"DWI": stored}, store(lesion, order, flips), stored / 1000, store(lesion, order, flips) * 2, grid
    )
    mask = decode(copies.mask)
    assert nib.aff2axcodes(mask.affine) == ("R", "A", "S")
    assert np.asarray(mask.dataobj).sum() == lesion.sum()
    np.testing.assert_allclose(
        find_centroid_lps(mask), GRID.to_physical_mm(np.argwhere(lesion)).mean(axis=0), atol=1e-3
    )
    # the brightest place is the lesion, on the patient's left: a small index in an array that runs to the right
    dwi = np.asarray(decode(copies.images[0].nifti).dataobj)
    assert np.argwhere(dwi == dwi.max())[:, 0].mean() < dwi.shape[0] / 2
    axis = 2 - "xyz".index(copies.slice_axis)
    (lesion_slices,) = np.nonzero(np.asarray(mask.dataobj).any(axis=(0, 1)))
    in_storage = {copies.stored_slices[index] for index in lesion_slices}
    touched = np.nonzero(store(lesion, order, flips).any(axis=tuple({0, 1, 2} - {axis})))[0]
    assert in_storage == set(touched.tolist())


@given(grids, st.integers(1, 400), st.data())
def test_coarse_copies_cover_the_same_voxels(grid: Grid, most_voxels: int, data):
    index = tuple(data.draw(st.integers(0, size - 1)) for size in grid.shape)
    array = np.zeros(grid.shape, dtype=np.uint8)
    array[index] = 1
    place = choose_copy_grid(grid, array > 0, most_voxels)
    assert np.prod(place.shape) <= most_voxels
    copy = place.reduce(array, "max")
    assert copy.sum() == 1, "not lost, and in one block alone"
    there = apply_affine(place.affine_ras, np.argwhere(copy)[0][::-1]) * (-1, -1, 1)
    half_block_mm = sum(
        (step - 1) / 2 * spacing for step, spacing in zip(place.block, place.view.spacing_mm, strict=True)
    )
    assert np.linalg.norm(there - grid.to_physical_mm(np.array(index))) <= half_block_mm + 1e-6


def test_means_keep_their_level():
    array = np.full(GRID.shape, 7.0, dtype=np.float32)
    place = choose_copy_grid(GRID, array > 0, 5000)
    assert place.block != (1, 1, 1)
    np.testing.assert_array_equal(place.reduce(array, "mean"), np.full(place.shape, 7.0))


def test_the_window_is_that_of_the_pictures_and_levels_use_all_bits():
    image, lesion = make_head()
    copies = copy_for_viewer({"DWI": image}, lesion, lesion.astype(np.float32), lesion, GRID)
    levels = np.asarray(decode(copies.images[0].nifti).dataobj)
    low, high = copies.images[0].window
    assert 0 <= low < high <= 255
    assert levels.max() == 255
    assert set(np.unique(decode(copies.probability).dataobj)) == {0, 100}


def test_noise_that_cannot_be_compressed_stays_within_the_page(lesion_report):
    shape = (160, 220, 200)
    grid = Grid(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    noise = np.random.default_rng(0).integers(1, 4000, shape).astype(np.int16)
    mask = (noise > 3900).astype(np.uint8)
    probability = (noise / 4000).astype(np.float32)
    copies = copy_for_viewer({"DWI": noise, "ADC": noise, "FLAIR": noise}, mask, probability, mask, grid)
    assert copies.characters <= MOST_CHARACTERS
    assert copies.block != (1, 1, 1)
    page = render_html(lesion_report, PagePictures(overview=bytes(2_000_000), viewer=copies))
    assert len(page.encode()) < 8_000_000


def test_the_same_case_gives_the_same_copies():
    image, lesion = make_head()
    args = ({"DWI": image}, lesion, lesion.astype(np.float32), lesion, GRID)
    assert copy_for_viewer(*args) == copy_for_viewer(*args)
