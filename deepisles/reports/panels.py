"""A sheet of axial slices drawn to scale, which every picture of a case is."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from deepisles.reports.axial_view import AxialView
from deepisles.reports.outline import trace_outline

PIXELS_PER_MM = 1.9
WIDEST_PIXELS = 2400
PIXELS_PER_INCH = 100
TEXT_PIXELS = 24
BRAIN_MARGIN_MM = 9.0
GAP_MM = 2.0
SCALE_BAR_MM = 50.0


@dataclass(frozen=True)
class Panel:
    """One slice as it is shown, radiological convention.

    Parameters
    ----------
    image : numpy.ndarray
        (row, column).
    window : tuple of float
        The values that are black and white.
    outlined : numpy.ndarray
        What is outlined, bool (row, column).
    colour : str
        Of the outline.
    """

    image: NDArray[Any]
    window: tuple[float, float]
    outlined: NDArray[np.bool_]
    colour: str


@dataclass(frozen=True)
class Sheet:
    """Panels in rows and columns, all of one size.

    Parameters
    ----------
    panels : tuple of tuple of Panel
        Row by row.
    row_titles, column_titles : tuple of str
        Written on the left and above.
    spacing_mm : tuple of float
        Distance between (rows, columns) of an image.
    crop : tuple of slice
        The (rows, columns) that are drawn.
    caption : str
        What is outlined: written below, beside the scale bar.
    """

    panels: tuple[tuple[Panel, ...], ...]
    row_titles: tuple[str, ...]
    column_titles: tuple[str, ...]
    spacing_mm: tuple[float, float]
    crop: tuple[slice, slice]
    caption: str


@dataclass(frozen=True)
class _Frame:
    """Where the panels lie. `text_mm` is the height of a line of text."""

    panel_mm: tuple[float, float]
    text_mm: float
    pixels_per_mm: float

    def corner_mm(self, row: int, column: int) -> tuple[float, float]:
        """Left and upper edge of a panel."""
        height, width = self.panel_mm
        return 1.6 * self.text_mm + column * (width + GAP_MM), 1.6 * self.text_mm + row * (height + GAP_MM)


def crop_to_brain(brain: NDArray[np.bool_], view: AxialView) -> tuple[slice, slice]:
    """Choose the rows and columns that hold the brain (slice, row, column) and a margin."""
    parts = []
    for axis in (1, 2):
        filled = np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {axis})))
        margin = int(np.ceil(BRAIN_MARGIN_MM / view.spacing_mm[axis]))
        parts.append(slice(max(int(filled[0]) - margin, 0), min(int(filled[-1]) + 1 + margin, brain.shape[axis])))
    return parts[0], parts[1]


def draw_sheet(sheet: Sheet) -> bytes:
    """Draw a sheet as a PNG: true proportions, R and L on every panel, a scale bar in mm."""
    frame = _plan(sheet)
    width = frame.corner_mm(0, len(sheet.column_titles))[0]
    height = frame.corner_mm(len(sheet.row_titles), 0)[1] + 1.6 * frame.text_mm
    inches = frame.pixels_per_mm / PIXELS_PER_INCH
    figure = Figure(figsize=(width * inches, height * inches), dpi=PIXELS_PER_INCH, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    for row, title in enumerate(sheet.row_titles):
        _write(axes, frame, title, 0.8 * frame.text_mm, frame.corner_mm(row, 0)[1] + frame.panel_mm[0] / 2, rotation=90)
        for column, panel in enumerate(sheet.panels[row]):
            _draw_panel(axes, frame, sheet, (row, column), panel)
    for column, title in enumerate(sheet.column_titles):
        _write(axes, frame, title, frame.corner_mm(0, column)[0] + frame.panel_mm[1] / 2, 0.8 * frame.text_mm)
    _draw_scale_bar(axes, frame, height - 0.8 * frame.text_mm, sheet.caption)
    axes.set(xlim=(0, width), ylim=(height, 0))

    png = io.BytesIO()
    canvas.print_png(png)  # type: ignore[no-untyped-call]
    return png.getvalue()


def _plan(sheet: Sheet) -> _Frame:
    height, width = ((part.stop - part.start) * step for part, step in zip(sheet.crop, sheet.spacing_mm, strict=True))
    pixels_per_mm = min(PIXELS_PER_MM, WIDEST_PIXELS / (len(sheet.column_titles) * width))
    return _Frame((height, width), TEXT_PIXELS / pixels_per_mm, pixels_per_mm)


def _draw_panel(axes: Axes, frame: _Frame, sheet: Sheet, place: tuple[int, int], panel: Panel) -> None:
    left, top = frame.corner_mm(*place)
    height, width = frame.panel_mm
    low, high = panel.window
    axes.imshow(
        panel.image[sheet.crop],
        origin="upper",
        cmap="gray",
        interpolation="nearest",
        vmin=low,
        vmax=max(high, low + 1e-9),
        extent=(left, left + width, top + height, top),
    )
    edges = trace_outline(panel.outlined[sheet.crop]) * sheet.spacing_mm[::-1] + (left, top)
    axes.add_collection(LineCollection(list(edges), colors=panel.colour, linewidths=1.2, capstyle="projecting"))
    _write(axes, frame, "R", left + 0.5 * frame.text_mm, top + 0.6 * frame.text_mm)
    _write(axes, frame, "L", left + width - 0.5 * frame.text_mm, top + 0.6 * frame.text_mm)


def _draw_scale_bar(axes: Axes, frame: _Frame, middle_mm: float, caption: str) -> None:
    left = frame.corner_mm(0, 0)[0]
    ends = [left, left + SCALE_BAR_MM]
    axes.add_line(Line2D(ends, [middle_mm, middle_mm], color="white", linewidth=2.5, solid_capstyle="butt"))
    text = f"{SCALE_BAR_MM:.0f} mm     R, L: patient's right and left     {caption}"
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
