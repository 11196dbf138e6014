"""The unit that an ADC map is in, told from its values."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

AdcUnitLabel = Literal["mm2/s", "1e-3 mm2/s", "1e-6 mm2/s"]


class AdcUnit(Enum):
    """Unit of an ADC map: its name, and the factor that brings it to 1e-6 mm2/s."""

    MM2_S = ("mm2/s", 1e6)
    MM2_S_1E3 = ("1e-3 mm2/s", 1e3)
    MM2_S_1E6 = ("1e-6 mm2/s", 1.0)

    @property
    def label(self) -> AdcUnitLabel:
        """Name as the report writes it."""
        label: AdcUnitLabel = self.value[0]
        return label

    @property
    def to_1e6_mm2_s(self) -> float:
        """Factor to 1e-6 mm2/s."""
        return float(self.value[1])


BOUNDARY_1E3, BOUNDARY_1E6 = 0.03, 30.0
"""The median over the brain is about 8e-4, 0.8 or 800 in the three units; the boundaries lie midway on a log scale."""


def recognise_adc_unit(adc: NDArray[Any]) -> AdcUnit:
    """Tell the unit of an ADC map (any axis order) by the median of its positive voxels."""
    positive = adc[adc > 0]
    median = float(np.median(positive)) if positive.size else 0.0
    if median < BOUNDARY_1E3:
        return AdcUnit.MM2_S
    return AdcUnit.MM2_S_1E3 if median < BOUNDARY_1E6 else AdcUnit.MM2_S_1E6
