"""The picture: right side, right place, true proportions, whatever the storage order."""

from __future__ import annotations

import io

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from storage_orders import GRID, ORDERS, make_head, store, store_grid

from deepisles.case.itk_images import to_volume
from deepisles.case.volume import Grid
from deepisles.reports.axial_view import find_axial_view
from deepisles.reports.outline import trace_outline
from deepisles.reports.overview import OUTLINE_COLOUR, draw_overview, draw_thumbnail
from deepisles.reports.panels import TEXT_PIXELS
from deepisles.reports.slice_choice import choose_slices

OUTLINE = np.array([int(OUTLINE_COLOUR[i : i + 2], 16) for i in (1, 3, 5)])


def decode(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def find_outline(png: bytes) -> NDArray[np.bool_]:
    return np.asarray(np.abs(decode(png).astype(int) - OUTLINE).max(axis=-1) < 60)


def panel_of_most_outline(outline: NDArray[np.bool_], columns: int = 6) -> NDArray[np.bool_]:
    panels = np.array_split(outline, columns, axis=1)
    return max(panels, key=lambda panel: int(panel.sum()))


@pytest.mark.parametrize(("order", "flips"), ORDERS)
def test_every_storage_order_shows_the_same_anatomy(order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    image, _ = make_head()
    reference = find_axial_view(GRID)
    view = find_axial_view(store_grid(GRID, order, flips))
    shown = view.apply(store(image, order, flips))
    np.testing.assert_array_equal(shown, image)
    np.testing.assert_array_equal(reference.apply(image), image)
    assert view.spacing_mm == reference.spacing_mm
    # the label leads back to the slice in storage
    axis = 2 - "xyz".index(view.slice_axis)
    stored = np.take(store(image, order, flips), view.stored_index(12), axis=axis)
    np.testing.assert_array_equal(np.sort(stored.ravel()), np.sort(image[12].ravel()))


def test_a_lesion_on_the_patients_left_is_on_the_right_of_each_panel_in_every_storage_order() -> None:
    image, lesion = make_head()
    reference = None
    for order, flips in ORDERS:
        grid = store_grid(GRID, order, flips)
        png = draw_overview({"DWI": store(image, order, flips)}, store(lesion, order, flips), grid)
        panel = panel_of_most_outline(find_outline(png))
        rows, columns = np.nonzero(panel)
        assert columns.size > 50
        assert columns.mean() > 0.55 * panel.shape[1]
        assert rows.mean() < 0.5 * panel.shape[0], "a frontal lesion lies in the upper half"
        # the same picture, but for the slices' names above it
        anatomy = decode(png)[int(1.6 * TEXT_PIXELS) :]
        reference = anatomy if reference is None else reference
        np.testing.assert_array_equal(anatomy, reference)


def test_voxels_keep_their_true_proportions() -> None:
    image, _ = make_head()
    grid = Grid(GRID.shape, (2.0, 4.0, 5.0), GRID.origin_mm, GRID.direction)
    mask = np.zeros(grid.shape, dtype=np.uint8)
    mask[10, 20:26, 14:26] = 1  # 6 rows of 4 mm, 12 columns of 2 mm: a square of 24 mm
    rows, columns = np.nonzero(find_outline(draw_overview({"DWI": image}, mask, grid)))
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=3)


def test_one_row_for_each_image() -> None:
    image, lesion = make_head()
    one = decode(draw_overview({"DWI": image}, lesion, GRID))
    three = decode(draw_overview({"DWI": image, "ADC": image, "FLAIR": image}, lesion, GRID))
    assert three.shape[1] == one.shape[1]
    assert three.shape[0] > 2.2 * one.shape[0]


def test_the_window_makes_the_lesion_bright_and_the_background_black() -> None:
    image, lesion = make_head()
    png = draw_overview({"DWI": image}, lesion, GRID)
    picture = decode(png).max(axis=-1)
    rows, columns = np.nonzero(panel_of_most_outline(find_outline(png)))
    first_column = (
        int(np.argmax([p.sum() for p in np.array_split(find_outline(png), 6, axis=1)])) * picture.shape[1] // 6
    )
    inside = picture[
        rows.min() + 4 : rows.max() - 4, first_column + columns.min() + 4 : first_column + columns.max() - 4
    ]
    assert inside.size > 100
    assert inside.min() > 200
    assert (picture == 0).mean() > 0.2


def test_without_a_lesion_the_brain_is_shown_without_outline() -> None:
    image, lesion = make_head()
    png = draw_overview({"DWI": image}, np.zeros_like(lesion), GRID)
    assert not find_outline(png).any()
    assert (decode(png).max(axis=-1) > 10).mean() > 0.2


@pytest.mark.parametrize("value", [0, 7])
def test_an_even_image_is_still_a_picture(value: int) -> None:
    image = np.full(GRID.shape, value, dtype=np.int16)
    assert decode(draw_overview({"DWI": image}, np.ones(GRID.shape, dtype=np.uint8), GRID)).ndim == 3


def test_the_thumbnail_is_one_slice_of_every_image() -> None:
    image, lesion = make_head()
    images = {"DWI": image, "ADC": image, "FLAIR": image}
    png = draw_thumbnail(images, lesion, GRID)
    overview = decode(draw_overview(images, lesion, GRID))
    assert decode(png).shape[0] < 0.5 * overview.shape[0]
    assert decode(png).shape[1] < 0.7 * overview.shape[1]
    for panel in np.array_split(find_outline(png), 3, axis=1):
        assert np.nonzero(panel)[1].mean() > 0.55 * panel.shape[1]
    without = draw_thumbnail(images, np.zeros_like(lesion), GRID)
    assert not find_outline(without).any()
    assert (decode(without).max(axis=-1) > 10).mean() > 0.2


def test_the_same_case_gives_the_same_bytes() -> None:
    image, lesion = make_head()
    assert draw_overview({"DWI": image}, lesion, GRID) == draw_overview({"DWI": image}, lesion, GRID)


def test_images_of_another_shape_are_not_drawn() -> None:
    image, lesion = make_head()
    with pytest.raises(ValueError, match="shape"):
        draw_overview({"DWI": image, "ADC": image[1:]}, lesion, GRID)
    with pytest.raises(ValueError, match="at least one"):
        draw_overview({}, lesion, GRID)


@given(arrays(np.bool_, st.tuples(st.integers(1, 24), st.just(3), st.just(3))), st.integers(1, 8))
def test_chosen_slices_ascend_and_hold_the_largest(lesion: NDArray[np.bool_], most: int) -> None:
    slices = choose_slices(lesion, np.ones_like(lesion), most)
    assert list(slices) == sorted(set(slices))
    assert 1 <= len(slices) <= min(most, len(lesion))
    area = lesion.sum(axis=(1, 2))
    if area.any():
        assert area[list(slices)].max() == area.max()
        if np.count_nonzero(area) > most:
            assert np.all(area[list(slices)] > 0)
        else:
            assert set(np.flatnonzero(area)) <= set(slices)


@given(arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_the_outline_is_closed_and_parts_inside_from_outside(mask: NDArray[np.bool_]) -> None:
    edges = trace_outline(mask)
    ends, counts = np.unique(edges.reshape(-1, 2), axis=0, return_counts=True)
    assert np.all(counts % 2 == 0), "a closed line enters and leaves each corner"
    padded = np.pad(mask, 1).astype(int)
    assert len(edges) == np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    if mask.any():
        rows, columns = np.nonzero(mask)
        assert ends.min(axis=0).tolist() == [columns.min(), rows.min()]
        assert ends.max(axis=0).tolist() == [columns.max() + 1, rows.max() + 1]


def test_a_real_case_with_lesions_on_the_left(cases) -> None:
    folder = cases / "isles22-0009"
    dwi, adc, mask = (to_volume(sitk.ReadImage(str(folder / f"{name}.nii.gz"))) for name in ("dwi", "adc", "mask"))
    position = mask.grid.to_physical_mm(np.argwhere(mask.array > 0))
    assert position[:, 0].mean() > 20, "the expert's lesions are on the patient's left"
    png = draw_overview({"DWI": dwi.array, "ADC": adc.array}, (mask.array > 0).astype(np.uint8), dwi.grid)
    for panel in np.array_split(find_outline(png), 6, axis=1):
        assert np.nonzero(panel)[1].mean() > 0.6 * panel.shape[1]
