"""How time and memory grow, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deepisles.bench.scaling import Point, Scaling, fit_line

VOXELS_PER_UNIT = 1e6
HEADROOM = 1.1
"""Of the vertical axes, above the highest point."""


def draw_scaling(scaling: Scaling, path: Path) -> None:
    """Draw seconds and memory against voxels, windows and networks: points as measured, a straight line through them.

    Windows of one size need not double with the voxels: they overlap, and an image smaller than one takes a whole one.

    Parameters
    ----------
    scaling : Scaling
        What was measured.
    path : Path
        Where; .png.
    """
    figure = Figure(figsize=(12.5, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"One case on {scaling.device}, networks loaded, without registration", fontsize="medium")
    panels = figure.subplots(2, 3, sharex="col")
    for column, axis in enumerate(_list_axes(scaling)):
        top, bottom = panels[0, column], panels[1, column]
        points, x = axis.points, axis.whole
        _draw(top, x, [point.seconds for point in points], "whole case", "C0")
        for index, name in enumerate(_list_members(points)):
            _draw(top, axis.of_member(name), [point.stages[name] for point in points], name.upper(), f"C{index + 1}")
        top.set_ylabel("seconds")
        _draw(bottom, x, [point.peak_memory_gb for point in points], "host memory", "C0")
        on_gpu = [point.peak_gpu_memory_gb for point in points if point.peak_gpu_memory_gb is not None]
        if len(on_gpu) == len(points):
            _draw(bottom, x, on_gpu, "GPU memory", "C1")
        bottom.set(xlabel=axis.label, ylabel="peak, GB")
        for axes in (top, bottom):
            axes.set_ylim(0, HEADROOM * axes.get_ylim()[1])
            axes.set_xlim(left=0)
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)


@dataclass(frozen=True)
class _Axis:
    """What the columns of panels are drawn against: for the whole case, and for a member where that differs."""

    label: str
    points: Sequence[Point]
    whole: Sequence[float]
    by_member: Mapping[str, Sequence[float]]

    def of_member(self, name: str) -> Sequence[float]:
        return self.by_member.get(name, self.whole)


def _list_axes(scaling: Scaling) -> list[_Axis]:
    sizes = scaling.by_size
    windows = {name: [float(point.windows[name]) for point in sizes] for name in sizes[0].windows}
    return [
        _Axis("million voxels of the DWI", sizes, [point.voxels / VOXELS_PER_UNIT for point in sizes], {}),
        _Axis("windows that networks answered", sizes, [float(point.all_windows) for point in sizes], windows),
        _Axis("networks", scaling.by_networks, [float(point.networks) for point in scaling.by_networks], {}),
    ]


def _list_members(points: Sequence[Point]) -> list[str]:
    return [name for name in ("seals", "nvauto", "swan") if all(name in point.stages for point in points)]


def _draw(axes: Axes, x: Sequence[float], y: Sequence[float], label: str, colour: str) -> None:
    line = fit_line(x, y)
    if line is not None:
        label = f"{label}, R² {line.explained:.3f}"
        along = np.array([0.0, max(x)])
        axes.plot(along, line.slope * along + line.offset, color=colour, linewidth=1, alpha=0.6)
    axes.plot(x, y, "o", color=colour, label=label)
