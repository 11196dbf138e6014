"""overview.png: the lesions on every image, at a glance."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from deepisles.case.volume import Grid
from deepisles.reports.axial_view import AxialView, find_axial_view
from deepisles.reports.outline import trace_outline
from deepisles.reports.slice_choice import choose_slices, find_brain

WINDOW_PERCENTILES = (1.0, 99.5)
WINDOWS_BY_ROW = {"ADC": (0.1, 90.0)}
"""Within the brain; fluid, a tenth of it, would leave no contrast between lesion and tissue on an ADC map."""
OUTLINE_COLOUR = "#ff6a00"
PIXELS_PER_MM = 1.9
WIDEST_PIXELS = 2400
PIXELS_PER_INCH = 100
TEXT_PIXELS = 24
BRAIN_MARGIN_MM = 9.0
GAP_MM = 2.0
SCALE_BAR_MM = 50.0


@dataclass(frozen=True)
class _Frame:
    """Sizes of the picture: what is cropped, and where the panels lie. `text_mm` is the height of a line of text."""

    crop: tuple[slice, slice]
    panel_mm: tuple[float, float]
    text_mm: float
    pixels_per_mm: float

    def corner_mm(self, row: int, column: int) -> tuple[float, float]:
        """Left and upper edge of a panel."""
        height, width = self.panel_mm
        return 1.6 * self.text_mm + column * (width + GAP_MM), 1.6 * self.text_mm + row * (height + GAP_MM)


def draw_overview(rows: Mapping[str, NDArray[Any]], mask: NDArray[np.uint8], grid: Grid) -> bytes:
    """Draw axial slices through the lesions, one row an image, the mask as an outline along voxel edges.

    Parameters
    ----------
    rows : mapping
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
    if not rows or any(array.shape != grid.shape for array in (mask, *rows.values())):
        raise ValueError(f"an overview needs at least one image, and all of them and the mask of shape {grid.shape}")
    view = find_axial_view(grid)
    lesion = view.apply(mask) > 0
    brain = view.apply(find_brain(next(iter(rows.values()))))
    slices = choose_slices(lesion, brain)
    frame = _plan(brain, view, len(slices))

    width = frame.corner_mm(0, len(slices))[0]
    height = frame.corner_mm(len(rows), 0)[1] + 1.6 * frame.text_mm
    inches = frame.pixels_per_mm / PIXELS_PER_INCH
    figure = Figure(figsize=(width * inches, height * inches), dpi=PIXELS_PER_INCH, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    for row, (name, image) in enumerate(rows.items()):
        shown = view.apply(image)
        window = np.percentile(shown[brain], WINDOWS_BY_ROW.get(name, WINDOW_PERCENTILES))
        _write(axes, frame, name, 0.8 * frame.text_mm, frame.corner_mm(row, 0)[1] + frame.panel_mm[0] / 2, rotation=90)
        for column, index in enumerate(slices):
            _draw_panel(axes, frame, view, (row, column), shown[index], lesion[index], window)
    for column, index in enumerate(slices):
        label = f"{view.slice_axis} {view.stored_index(index)}"
        _write(axes, frame, label, frame.corner_mm(0, column)[0] + frame.panel_mm[1] / 2, 0.8 * frame.text_mm)
    _draw_scale_bar(axes, frame, height - 0.8 * frame.text_mm)
    axes.set(xlim=(0, width), ylim=(height, 0))

    png = io.BytesIO()
    canvas.print_png(png)  # type: ignore[no-untyped-call]
    return png.getvalue()


def _plan(brain: NDArray[np.bool_], view: AxialView, columns: int) -> _Frame:
    crop = []
    panel = []
    for axis in (1, 2):
        spacing = view.spacing_mm[axis]
        filled = np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {axis})))
        margin = int(np.ceil(BRAIN_MARGIN_MM / spacing))
        part = slice(max(int(filled[0]) - margin, 0), min(int(filled[-1]) + 1 + margin, brain.shape[axis]))
        crop.append(part)
        panel.append((part.stop - part.start) * spacing)
    pixels_per_mm = min(PIXELS_PER_MM, WIDEST_PIXELS / (columns * panel[1]))
    return _Frame((crop[0], crop[1]), (panel[0], panel[1]), TEXT_PIXELS / pixels_per_mm, pixels_per_mm)


def _draw_panel(
    axes: Axes,
    frame: _Frame,
    view: AxialView,
    place: tuple[int, int],
    image: NDArray[Any],
    lesion: NDArray[np.bool_],
    window: NDArray[np.float64],
) -> None:
    left, top = frame.corner_mm(*place)
    height, width = frame.panel_mm
    axes.imshow(
        image[frame.crop],
        origin="upper",
        cmap="gray",
        interpolation="nearest",
        vmin=float(window[0]),
        vmax=float(max(window[1], window[0] + 1e-9)),
        extent=(left, left + width, top + height, top),
    )
    edges = trace_outline(lesion[frame.crop]) * (view.spacing_mm[2], view.spacing_mm[1]) + (left, top)
    axes.add_collection(LineCollection(list(edges), colors=OUTLINE_COLOUR, linewidths=1.2, capstyle="projecting"))
    _write(axes, frame, "R", left + 0.5 * frame.text_mm, top + 0.6 * frame.text_mm)
    _write(axes, frame, "L", left + width - 0.5 * frame.text_mm, top + 0.6 * frame.text_mm)


def _draw_scale_bar(axes: Axes, frame: _Frame, middle_mm: float) -> None:
    left = frame.corner_mm(0, 0)[0]
    axes.plot([left, left + SCALE_BAR_MM], [middle_mm, middle_mm], color="white", linewidth=2.5, solid_capstyle="butt")
    text = f"{SCALE_BAR_MM:.0f} mm     R, L: patient's right and left     outline: segmented lesion"
    _write(axes, frame, text, left + SCALE_BAR_MM + 0.5 * frame.text_mm, middle_mm, align="left")


def _write(
    axes: Axes,
    frame: _Frame,
    text: str,
    x_mm: float,
    y_mm: float,
    rotation: float = 0.0,
    align: Literal["left", "center"] = "center",
) -> None:
    points = frame.text_mm * frame.pixels_per_mm * 72 / PIXELS_PER_INCH * 0.8
    style = FontProperties(family="DejaVu Sans", size=points)
    axes.text(x_mm, y_mm, text, fontproperties=style, color="white", rotation=rotation, ha=align, va="center_baseline")
