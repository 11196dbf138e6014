"""Whether an image shows the brain alone, or the head.

Zeros do not tell: scanners put zeros in the air, and resampling puts other values beside a stripped brain. Bone tells.
What stands out from the background, holes filled, is the brain in a stripped image and the head in another; a head is
larger than a brain, and a centimetre below its surface lies bone, which is dark on every MRI.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from deepisles.preparation.coarse import CoarseVolume

MOST_BRAIN_ML = 2300.0
"""Measured: stripped images 1340 to 1670 ml, in MNI space 1900 ml and synthetic ones up to 2130 ml; whole heads 2670 to
4280 ml."""
SHELL_MM = (7.0, 15.0)
"""Depth below the surface at which a head has bone, and a brain that was stripped generously has no more fluid."""
DEEP_MM = 20.0
"""Depth beyond which there is brain in a head too."""
DARK_SHARE = 0.3
"""Dark: less than this share of the median signal of the depth."""
MOST_DARK = 0.1
"""Share of the shell that may be dark. Measured: stripped images up to 0.07 (one with wide sulci), heads from 0.12
(bright scalp on T1w) and 0.29 (DWI) to 0.95."""
MOST_BEYOND = 0.1
"""Signal of an ADC map well outside the stripped DWI's brain, as a share of that brain's volume. Measured: below 0.01
in stripped pairs, above 1 where the ADC was computed in the air too."""


def is_brain_alone(image: CoarseVolume) -> bool:
    """Whether a DWI, FLAIR or T1w shows the brain alone, on whatever background.

    When in doubt the answer is no: stripping a brain once more costs seconds and a thin rim, a skull misleads the
    members.
    """
    if image.body.sum() * image.voxel_ml > MOST_BRAIN_ML:
        return False
    # no padding: where the field of view cuts the body there is no surface
    depth_mm = ndimage.distance_transform_edt(image.body, sampling=image.spacing_mm)
    shell = (depth_mm > SHELL_MM[0]) & (depth_mm <= SHELL_MM[1])
    deep = depth_mm > DEEP_MM
    if not shell.any():
        return True
    level = np.median(image.distance[deep if deep.any() else image.body])
    return bool(np.mean(image.distance[shell] < DARK_SHARE * level) <= MOST_DARK)


def reaches_beyond(adc: CoarseVolume, dwi: CoarseVolume) -> bool:
    """Whether an ADC map has signal well outside the brain that a stripped DWI on the same grid shows.

    An ADC map cannot be judged alone: fluid is bright in it, bone is noise or 0, and scanners mask it in their own way.
    """
    beyond = adc.signal & ~dwi.around
    return bool(beyond.sum() > MOST_BEYOND * max(1, int(dwi.body.sum())))


def has_zero_background(image: CoarseVolume) -> bool:
    """Whether most of what lies outside the body is exactly 0, as the members take it."""
    outside = image.values[~image.around]
    return not outside.size or bool(np.mean(outside == 0) > 0.5)
