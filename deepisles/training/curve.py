"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Histories = Mapping[str, Sequence[Mapping[str, float]]]
"""Entries by network, as they came."""
PANELS = {"dice": "Dice, validation", "lesion_f1": "Lesion F1, validation", "loss": "Loss, training"}


def draw_curves(histories: Histories, path: Path, panels: Mapping[str, str] = PANELS, time: str = "step") -> None:
    """Draw a panel per measure, a line per network.

    Parameters
    ----------
    histories : mapping of str to sequence of mappings
        Entries of `deepisles.training.engine.History`, or the like, by network.
    path : Path
        Where; .png.
    panels : mapping of str to str
        What to draw: keys of the entries, and their titles.
    time : str
        Key of what runs along the horizontal axis.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (key, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for name, entries in histories.items():
            axes.plot([entry[time] for entry in entries], [entry[key] for entry in entries], label=name)
        axes.set(title=title, xlabel=f"{time}s")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)
