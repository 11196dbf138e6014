"""Signal that piles up at the brain's edge: bright on DWI, and no lesion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import RandomizableTransform
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from deepisles.training.examples import ADC, DWI

MOST_SPOTS = 3
SPREAD_VOXELS = (1.5, 4.5)
"""Standard deviation of a spot along each axis; at 2 mm most real ones lie in it."""
HEIGHT_DEVIATIONS = (1.5, 7.0)
"""How much brighter than the tissue, in standard deviations of the brain's DWI: as bright as infarcts and brighter."""
MOST_ADC_RISE = 0.4
"""Of the height: T2 shine-through has a high ADC, piled-up signal the tissue's own."""


class RandEdgeSpots(RandomizableTransform):  # type: ignore[misc]
    """Brighten the DWI of {"image": (channels, z, y, x), "label": (1, z, y, x)} in spots at the brain's edge.

    Air under the skull base distorts echo-planar images so that signal piles up beside it (Le Bihan et al. 2006). The
    ADC, from a ratio of images distorted alike, stays or rises, which tells a spot from an infarct. Voxels of a lesion
    and those outside the brain, which are 0, stay as they are.

    Parameters
    ----------
    prob : float
        Share of the crops that get spots.
    """

    def __init__(self, prob: float) -> None:
        RandomizableTransform.__init__(self, prob)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Give the crop with spots, or as it was."""
        made = dict(data)
        self.randomize(None)
        if not self._do_transform:
            return made
        image: Tensor = made["image"].clone()
        free = (image[DWI] != 0) & (made["label"][0] <= 0)
        spots = self._draw_spots((image[DWI] != 0).numpy())
        if spots is not None:
            rise = torch.from_numpy(spots).to(image) * free
            image[DWI] += rise
            image[ADC] += rise * float(self.R.uniform(0, MOST_ADC_RISE))
        made["image"] = image
        return made

    def _draw_spots(self, brain: NDArray[np.bool_]) -> NDArray[np.float32] | None:
        """Draw bumps (z, y, x) around places on the edge; None where the crop shows no edge."""
        edge = np.argwhere(brain & ~ndimage.binary_erosion(brain, border_value=1))
        if not len(edge):
            return None
        drawn = np.zeros(brain.shape, dtype=np.float32)
        for _ in range(int(self.R.randint(1, MOST_SPOTS + 1))):
            centre = edge[self.R.randint(len(edge))]
            spread = self.R.uniform(*SPREAD_VOXELS, 3)
            falls = [
                np.exp(-0.5 * ((np.arange(side) - middle) / width) ** 2)
                for side, middle, width in zip(brain.shape, centre, spread, strict=True)
            ]
            bump = falls[0][:, None, None] * falls[1][:, None] * falls[2]
            drawn = np.maximum(drawn, (self.R.uniform(*HEIGHT_DEVIATIONS) * bump).astype(np.float32))
        return drawn
