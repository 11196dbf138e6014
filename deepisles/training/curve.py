"""The validation curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_curves(histories: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw Dice, lesion F1 and loss by step, a line per network.

    Parameters
    ----------
    histories : mapping of str to sequence of mappings
        Entries of `deepisles.training.engine.History` by network.
    path : Path
        Where; .png.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (key, title) in zip(
        figure.subplots(1, 3),
        (("dice", "Dice, validation"), ("lesion_f1", "Lesion F1, validation"), ("loss", "Loss, training")),
        strict=True,
    ):
        for name, entries in histories.items():
            axes.plot([entry["step"] for entry in entries], [entry[key] for entry in entries], label=name)
        axes.set(title=title, xlabel="steps")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)
