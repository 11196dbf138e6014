"""Random changes of crops, by MONAI's transforms."""

from __future__ import annotations

from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandLambdad,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from torch import Tensor

from deepisles.training.examples import FLAIR

IMAGE, LABEL = "image", "label"
GAMMA_RANGE = (0.7, 1.5)
GAMMA_SHARE = 0.3
"""nnU-Net's (Isensee et al. 2021, supplement)."""
FLAIR_MISSING_SHARE = 0.35
"""Share of the crops whose FLAIR is taken away, so that a network looks at DWI and ADC too and can learn from cases
without FLAIR. A choice: FLAIR alone shows old and new alike."""


def make_augmentation() -> Compose:
    """Make the chain for {"image": (channels, z, y, x), "label": (1, z, y, x)}.

    Left and right are alike; files store rows toward the front or the back; a brain upside down is rare.
    """
    both = [IMAGE, LABEL]
    return Compose(
        [
            RandFlipd(both, prob=0.5, spatial_axis=2),
            RandFlipd(both, prob=0.3, spatial_axis=1),
            RandFlipd(both, prob=0.1, spatial_axis=0),
            RandAffined(
                both,
                prob=0.35,
                rotate_range=(0.2, 0.2, 0.35),
                scale_range=(0.12, 0.12, 0.12),
                mode=("bilinear", "bilinear"),
                padding_mode="zeros",
            ),
            RandGaussianSmoothd(IMAGE, prob=0.12, sigma_x=(0.3, 0.8), sigma_y=(0.3, 0.8), sigma_z=(0.3, 1.2)),
            RandGaussianNoised(IMAGE, prob=0.15, mean=0.0, std=0.12),
            RandScaleIntensityd(IMAGE, factors=0.15, channel_wise=True, prob=0.4),
            RandShiftIntensityd(IMAGE, offsets=0.1, channel_wise=True, prob=0.3),
            RandAdjustContrastd(IMAGE, prob=GAMMA_SHARE, gamma=GAMMA_RANGE, retain_stats=True),
            RandLambdad(IMAGE, take_flair_away, prob=FLAIR_MISSING_SHARE),
        ]
    )


def take_flair_away(channels: Tensor) -> Tensor:
    """Set the FLAIR of (channels, z, y, x) to 0, as where there is none."""
    kept = channels.clone()
    kept[FLAIR] = 0
    return kept
