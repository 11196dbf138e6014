"""The values of an image that are shown black and white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_PERCENTILES = (1.0, 99.5)
WINDOWS_BY_IMAGE = {"ADC": (0.1, 90.0)}
"""Within the brain; fluid, a tenth of it, would leave no contrast between lesion and tissue on an ADC map."""


def find_window(name: str, image: NDArray[Any], brain: NDArray[np.bool_]) -> tuple[float, float]:
    """Choose the window of an image, "DWI", "ADC" or "FLAIR", from its values within the brain, arrays of one shape."""
    low, high = np.percentile(image[brain], WINDOWS_BY_IMAGE.get(name, WINDOW_PERCENTILES))
    return float(low), float(high)
