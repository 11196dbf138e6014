"""Pictures by which a reader judges the preparation: FLAIR on DWI, and the brain mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from deepisles.case.volume import Grid
from deepisles.reports.axial_view import AxialView, find_axial_view
from deepisles.reports.display_window import find_window
from deepisles.reports.panels import Panel, Sheet, crop_to_brain, draw_sheet
from deepisles.reports.slice_choice import choose_slices, find_brain

BRAIN_COLOUR = "#56d8ff"
SLICES = 5
FIELD_MM = 24.0
"""Side of a field of the chessboard."""


def draw_registration_check(dwi: NDArray[Any], flair: NDArray[Any], grid: Grid) -> bytes:
    """Draw the FLAIR with the outline of the DWI's brain, and both images in the fields of a chessboard.

    Parameters
    ----------
    dwi, flair : numpy.ndarray
        (z, y, x), both on `grid`.
    grid : Grid
        Their geometry.

    Returns
    -------
    bytes
        A PNG.
    """
    view = find_axial_view(grid)
    images = {"DWI": view.apply(dwi), "FLAIR": view.apply(flair)}
    brain = find_brain(images["DWI"])
    slices = _choose_slices(brain)
    window = find_window("FLAIR", images["FLAIR"], brain)
    grey = {name: _to_grey(image, find_window(name, image, brain)) for name, image in images.items()}
    fields = _chessboard(brain.shape[1:], view)
    nothing = np.zeros(brain.shape[1:], dtype=bool)
    outlined = [Panel(images["FLAIR"][i], window, binary_fill_holes(brain[i]), BRAIN_COLOUR) for i in slices]
    mixed = [Panel(np.where(fields, grey["DWI"][i], grey["FLAIR"][i]), (0, 1), nothing, BRAIN_COLOUR) for i in slices]
    return draw_sheet(
        Sheet(
            panels=(tuple(outlined), tuple(mixed)),
            row_titles=("FLAIR", "DWI / FLAIR"),
            column_titles=tuple(view.describe_slice(index) for index in slices),
            spacing_mm=view.spacing_mm[1:],
            crop=crop_to_brain(brain, view),
            caption="outline: brain on the DWI",
        )
    )


def draw_brain_mask_check(dwi: NDArray[Any], brain_mask: NDArray[np.uint8], grid: Grid) -> bytes:
    """Draw the DWI as it was before the brain was extracted, with the outline of the mask; as a PNG.

    Parameters
    ----------
    dwi, brain_mask : numpy.ndarray
        (z, y, x), both on `grid`.
    grid : Grid
        Their geometry.
    """
    view = find_axial_view(grid)
    head, brain = view.apply(dwi), view.apply(brain_mask) > 0
    slices = _choose_slices(brain)
    window = find_window("DWI", head, brain)
    return draw_sheet(
        Sheet(
            panels=(tuple(Panel(head[index], window, brain[index], BRAIN_COLOUR) for index in slices),),
            row_titles=("DWI",),
            column_titles=tuple(view.describe_slice(index) for index in slices),
            spacing_mm=view.spacing_mm[1:],
            crop=crop_to_brain(find_brain(head), view),
            caption="outline: brain mask",
        )
    )


def _choose_slices(brain: NDArray[np.bool_]) -> tuple[int, ...]:
    return choose_slices(np.zeros_like(brain), brain, SLICES)


def _to_grey(image: NDArray[Any], window: tuple[float, float]) -> NDArray[np.float64]:
    low, high = window
    return np.asarray(np.clip((image - low) / max(high - low, 1e-9), 0, 1), dtype=np.float64)


def _chessboard(shape: tuple[int, ...], view: AxialView) -> NDArray[np.bool_]:
    row, column = np.indices(shape)
    numbers = (row * view.spacing_mm[1] // FIELD_MM) + (column * view.spacing_mm[2] // FIELD_MM)
    return np.asarray(numbers % 2 == 0)
