"""How large the published networks are, as far as that is known: architectures and settings, no weights."""

from __future__ import annotations

from typing import Final

from deepisles.members.networks.specs import (
    PlainConvUNetSpec,
    ResUNetSpec,
    SegResNetDSSpec,
    SwinFactorizerSpec,
    UNetSkeletonSpec,
)
from deepisles.members.settings import NvautoSettings, SealsSettings, SwanSettings
from deepisles.weights.bundle_plan import BundlePlan, MemberPlan
from deepisles.weights.published import FOLDS, NVAUTO_MODELS

_ONE, _TWO, _THREE, _FOUR = (1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)

SEALS_NETWORK: Final = PlainConvUNetSpec(
    in_channels=2,
    out_channels=2,
    features=(32, 64, 128, 256, 320, 320),
    strides=(_ONE, *(_TWO,) * 5),
    encoder_kernel_sizes=(_THREE,) * 6,
    decoder_kernel_sizes=(_THREE,) * 5,
    encoder_convolutions=(2,) * 6,
    decoder_convolutions=(2,) * 5,
)
"""nnU-Net's 3d_fullres: 32 features, doubled up to 320, five poolings."""
NVAUTO_NETWORK: Final = SegResNetDSSpec(
    in_channels=2,
    out_channels=2,
    init_filters=32,
    blocks_down=(1, 2, 2, 4, 4),
    blocks_up=(1, 1, 1, 1),
    dsdepth=4,
    norm="instance_affine",
)
"""Assumed; the archives' code does not tell it."""
_SKELETON: Final = UNetSkeletonSpec(
    in_channels=3,
    out_channels=1,
    stem_width=32,
    widths=(32, 64, 128, 256, 512),
    strides=(_ONE, *(_TWO,) * 4),
    encoder_depth=(1,) * 5,
    decoder_depth=(1,) * 4,
    heads=3,
)
RES_UNET: Final = ResUNetSpec(_SKELETON, norm_groups=8, negative_slope=0.01)
SWIN_FACTORIZER: Final = SwinFactorizerSpec(
    _SKELETON,
    spatial_size=(64, 64, 64),
    pos_embed=True,
    head_dim=4,
    patch_size=_FOUR,
    shifts=(None, _TWO),
    rank=1,
    iterations=5,
    mlp_ratio=4.0,
    dropout=0.1,
    nmf_dropout=0.1,
    mlp_dropout=0.1,
)
"""Of two published configurations the one whose 7.4 million parameters and 29 GFLOP a window are those that its
authors' README tells (7.3 million, 29 GFLOP); the other has 5.6 million and 22 GFLOP."""

PUBLISHED_SIZES: Final = BundlePlan(
    name="published",
    seals=MemberPlan(
        SealsSettings(
            patch_size=(128, 128, 128),
            spacing_mm=(1.0, 1.0, 1.0),
            transpose=(0, 1, 2),
            mask_normalisation=(True, True),
        ),
        tuple((f"seals/fold{fold}", SEALS_NETWORK) for fold in range(FOLDS)),
    ),
    nvauto=MemberPlan(
        NvautoSettings(), tuple((f"nvauto/model{number:02d}", NVAUTO_NETWORK) for number in range(NVAUTO_MODELS))
    ),
    swan=MemberPlan(
        SwanSettings(),
        (
            *((f"swan/resunet_fold{fold}", RES_UNET) for fold in range(FOLDS)),
            *((f"swan/swin-factorizer_fold{fold}", SWIN_FACTORIZER) for fold in range(FOLDS)),
        ),
    ),
)
"""All of DeepISLES: 30 networks, 1.6 thousand million parameters."""
