"""How much of a lesion mask lies in which artery's territory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Territory = Literal["MCA", "ACA", "PCA", "cerebellum", "pons-medulla"]
Side = Literal["left", "right"]
TERRITORIES: Final[tuple[Territory, ...]] = get_args(Territory)
SIDES: Final[tuple[Side, ...]] = get_args(Side)


def territory_code(territory: Territory, side: Side) -> int:
    """Give the number of a territory on one side in a label map: from 1 on, 0 being none."""
    return TERRITORIES.index(territory) * len(SIDES) + SIDES.index(side) + 1


@dataclass(frozen=True)
class SideLoads:
    """Volume of the lesions in a territory, left and right."""

    left: float
    right: float

    @property
    def both(self) -> float:
        """Volume on both sides."""
        return self.left + self.right


@dataclass(frozen=True)
class TerritoryLoads:
    """Where the lesions lie.

    Parameters
    ----------
    loads_ml : mapping
        Volume of the lesions per territory and side, in ml.
    outside_ml : float
        Volume of the lesions in no territory: ventricles, and what the atlas does not cover.
    """

    loads_ml: Mapping[Territory, SideLoads]
    outside_ml: float

    @property
    def largest(self) -> tuple[Territory, Side] | None:
        """The territory with the largest load, and the side that has more of it; None if no load is above 0.

        Of equal ones, the first in the order of `TERRITORIES`, and the left.
        """
        territory = max(TERRITORIES, key=lambda name: self.loads_ml[name].both)
        loads = self.loads_ml[territory]
        if loads.both == 0:
            return None
        return territory, "left" if loads.left >= loads.right else "right"

    @property
    def labelled_share(self) -> float:
        """Share of the lesions' volume that lies in any territory, 0 to 1; 1 without lesions."""
        inside = sum(loads.both for loads in self.loads_ml.values())
        total = inside + self.outside_ml
        return inside / total if total else 1.0


def measure_loads(codes: NDArray[Any], mask: NDArray[Any], voxel_volume_ml: float) -> TerritoryLoads:
    """Measure the load of every territory.

    Parameters
    ----------
    codes : numpy.ndarray
        Label map (z, y, x) of the numbers that `territory_code` gives.
    mask : numpy.ndarray
        Lesions, (z, y, x), non-zero is lesion, on the same grid.
    voxel_volume_ml : float
        Volume of a voxel.

    Raises
    ------
    ValueError
        If the two have different shapes.
    """
    if codes.shape != mask.shape:
        raise ValueError(f"a label map of shape {codes.shape} for a mask of shape {mask.shape}")
    counts = np.bincount(codes[mask > 0].ravel(), minlength=1 + len(TERRITORIES) * len(SIDES))
    loads_ml = {
        name: SideLoads(*(float(counts[territory_code(name, side)]) * voxel_volume_ml for side in SIDES))
        for name in TERRITORIES
    }
    return TerritoryLoads(loads_ml, float(counts[0]) * voxel_volume_ml)
