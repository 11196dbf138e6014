"""Random changes of crops, by MONAI's transforms."""

from __future__ import annotations

from monai.transforms import (
    Compose,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
)

IMAGE, LABEL = "image", "label"


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
        ]
    )
