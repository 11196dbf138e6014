"""One patient's images at one time."""

from __future__ import annotations

from dataclasses import dataclass, field

from deepisles.case.volume import Volume


@dataclass(frozen=True)
class Case:
    """The images of one case as read, each on its own grid.

    Parameters
    ----------
    dwi, adc : Volume
        Diffusion-weighted image (b about 1000 s/mm2) and apparent diffusion coefficient map.
    flair : Volume or None
        FLAIR, if there is one.
    checks : tuple of str
        What was checked while reading, for the report.
    warnings : tuple of str
        What a person should know about the input.
    """

    dwi: Volume
    adc: Volume
    flair: Volume | None = None
    checks: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
