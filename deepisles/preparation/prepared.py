"""The images that the members take."""

from __future__ import annotations

from dataclasses import dataclass

from deepisles.case.volume import Grid, Volume


@dataclass(frozen=True)
class IsotropicImages:
    """DWI and ADC resampled to 1 mm by ITK, as SEALS wants them.

    Both volumes lie on one grid: the DWI's origin and direction, 1 mm spacing.
    The DWI keeps its pixel type, the ADC is float32.
    """

    dwi: Volume
    adc: Volume


@dataclass(frozen=True)
class PreparedCase:
    """What every member reads from.

    Parameters
    ----------
    dwi, adc : Volume
        On one grid, the DWI's. Pixel types as read (an ADC that had to be resampled is float32).
    isotropic : IsotropicImages or None
        DWI and ADC at 1 mm; None where no member wants them.
    flair : Volume or None
        FLAIR on the DWI's grid, float32; None where there is none, or while it is still being registered.
    """

    dwi: Volume
    adc: Volume
    isotropic: IsotropicImages | None = None
    flair: Volume | None = None

    @property
    def grid(self) -> Grid:
        """The DWI's grid, on which every member answers."""
        return self.dwi.grid

    def by_name(self) -> dict[str, Volume]:
        """List the images by the names that people read: "DWI", "ADC" and, where there is one, "FLAIR"."""
        named = {"DWI": self.dwi, "ADC": self.adc}
        return named if self.flair is None else {**named, "FLAIR": self.flair}
