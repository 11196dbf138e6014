"""A member without networks, for what happens before and after the members: lesion is what is bright on the DWI."""

from __future__ import annotations

import numpy as np

from deepisles.members.effort import FULL
from deepisles.members.member import Prediction


class BrightMember:
    """Calls lesion what is twice as bright, or as many times as is asked for, as the median of all voxels but zeros."""

    name = "seals"
    needs_flair = False
    needs_isotropic = False
    weights_digest = "0" * 64

    def __init__(self, times_median=2.0):
        self.times_median = times_median
        self.networks = []

    def segment(self, images, report_progress, effort=FULL):
        """Segment."""
        dwi = images.dwi.array
        mask = (dwi > self.times_median * np.median(dwi[dwi != 0])).astype(np.uint8)
        report_progress(1, 1)
        return Prediction(mask.astype(np.float32), mask)
