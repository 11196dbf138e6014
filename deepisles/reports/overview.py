"""overview.png: the lesions on every image, at a glance; and the thumbnail, one slice of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepisles.case.volume import Grid
from deepisles.reports.axial_view import AxialView, find_axial_view
from deepisles.reports.display_window import find_window
from deepisles.reports.panels import Panel, Sheet, crop_to_brain, draw_sheet
from deepisles.reports.slice_choice import choose_slices, find_brain

OUTLINE_COLOUR = "#ff6a00"


def draw_overview(images: Mapping[str, NDArray[Any]], mask: NDArray[np.uint8], grid: Grid) -> bytes:
    """Draw axial slices through the lesions, one row an image, the mask as an outline along voxel edges.

    Parameters
    ----------
    images : mapping
        Image (z, y, x) by its name as printed, for example "DWI", "ADC", "FLAIR"; all on `grid`.
    mask : numpy.ndarray
        Lesions, uint8 (z, y, x).
    grid : Grid
        Geometry of them all.

    Returns
    -------
    bytes
        A PNG in radiological convention (patient's right on the left), whatever the storage order; voxels keep their
        true aspect; slices are labelled with their index in storage.

    Raises
    ------
    ValueError
        If there is no image, or one has another shape than the grid.
    """
    shown = _show(images, mask, grid)
    slices = choose_slices(shown.lesion, shown.brain)
    return draw_sheet(
        Sheet(
            panels=tuple(tuple(shown.panel(name, index) for index in slices) for name in images),
            row_titles=tuple(images),
            column_titles=tuple(shown.view.describe_slice(index) for index in slices),
            spacing_mm=shown.view.spacing_mm[1:],
            crop=crop_to_brain(shown.brain, shown.view),
            caption="outline: segmented lesion",
        )
    )


def draw_thumbnail(images: Mapping[str, NDArray[Any]], mask: NDArray[np.uint8], grid: Grid) -> bytes:
    """Draw the slice with most lesion, or without one that in the middle of the brain, once for each image.

    Parameters, result and errors are those of `draw_overview`.
    """
    shown = _show(images, mask, grid)
    (index,) = choose_slices(shown.lesion, shown.brain, most=1)
    return draw_sheet(
        Sheet(
            panels=(tuple(shown.panel(name, index) for name in images),),
            row_titles=(shown.view.describe_slice(index),),
            column_titles=tuple(images),
            spacing_mm=shown.view.spacing_mm[1:],
            crop=crop_to_brain(shown.brain, shown.view),
            caption="outline: segmented lesion",
        )
    )


@dataclass(frozen=True)
class _Shown:
    """The images as they are shown: (slice, row, column)."""

    view: AxialView
    lesion: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    images: Mapping[str, NDArray[Any]]
    windows: Mapping[str, tuple[float, float]]

    def panel(self, name: str, index: int) -> Panel:
        return Panel(self.images[name][index], self.windows[name], self.lesion[index], OUTLINE_COLOUR)


def _show(images: Mapping[str, NDArray[Any]], mask: NDArray[np.uint8], grid: Grid) -> _Shown:
    if not images or any(array.shape != grid.shape for array in (mask, *images.values())):
        raise ValueError(f"an overview needs at least one image, and all of them and the mask of shape {grid.shape}")
    view = find_axial_view(grid)
    shown = {name: view.apply(image) for name, image in images.items()}
    brain = find_brain(next(iter(shown.values())))
    return _Shown(
        view=view,
        lesion=view.apply(mask) > 0,
        brain=brain,
        images=shown,
        windows={name: find_window(name, image, brain) for name, image in shown.items()},
    )
