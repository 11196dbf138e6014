"""How each member is trained: its networks, losses and pace.

The members differ in architecture, loss and channels, since the vote lives on their differences (de la Rosa et al.
2025, Methods). Averaging networks that share weights brings nothing; they are trained apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from deepisles.errors import InputRefused
from deepisles.members.member import MemberName
from deepisles.members.networks.specs import (
    NetworkSpec,
    PlainConvUNetSpec,
    ResUNetSpec,
    SegResNetDSSpec,
    Size,
    SwinFactorizerSpec,
    UNetSkeletonSpec,
)
from deepisles.members.settings import NvautoSettings, SealsSettings, SwanSettings
from deepisles.training.examples import ADC, DWI, FLAIR
from deepisles.training.options import Scale
from deepisles.weights.published_sizes import NVAUTO_NETWORK

LossName = Literal["dice-cross-entropy", "dice-focal"]
KERNEL: Size = (3, 3, 3)
HALVING: Size = (2, 2, 2)
WHOLE: Size = (1, 1, 1)


@dataclass(frozen=True)
class Recipe:
    """How one member's networks are trained.

    Parameters
    ----------
    member : str
        Which one.
    networks : mapping of str to NetworkSpec
        Kinds of network by name; each kind is trained once per fold.
    settings : SealsSettings, NvautoSettings or SwanSettings
        How the trained member prepares, windows and blends.
    channels : tuple of int
        Its input channels, out of DWI, ADC, FLAIR.
    axes : str
        Axis order that its networks see.
    patch_size : 3-tuple of int
        Crop (z, y, x) that it is trained on.
    spacing_mm : float
        Isotropic spacing of the crops.
    loss : str
        "dice-cross-entropy" or "dice-focal", over all outputs of deep supervision.
    out_channels : int
        Of its networks: 2 (background and lesion) or 1 (lesion).
    learning_rate, weight_decay : float
        Of AdamW, after a warm-up and with cosine decay to 0.
    batch_size : int
        Crops per step.
    repeats : int
        Networks per kind and fold, which differ by their seeds.
    """

    member: MemberName
    networks: dict[str, NetworkSpec]
    settings: SealsSettings | NvautoSettings | SwanSettings
    channels: tuple[int, ...]
    axes: Literal["zyx", "xyz"]
    loss: LossName
    out_channels: int = 2
    patch_size: Size = (64, 64, 64)
    spacing_mm: float = 2.0
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    batch_size: int = 2
    repeats: int = 1


@dataclass(frozen=True)
class Length:
    """How long a member is trained unless somebody says otherwise.

    Parameters
    ----------
    folds : int
        Networks per kind (and repeat).
    steps : int
        Optimiser steps per network.
    """

    folds: int = 1
    steps: int = 4000


def find_recipe(member: str, scale: Scale = "starter") -> Recipe:
    """Find a member's recipe.

    Parameters
    ----------
    member : str
        "seals", "nvauto" or "swan".
    scale : str
        "starter": networks small enough for two CPU cores, at 2 mm; "published": the published sizes. SEALS has no
        published recipe, since nnU-Net plans its network for the data (`deepisles.training.nnunet`).

    Raises
    ------
    InputRefused
        If there is none of that name, or no recipe.
    """
    starters = {"seals": seals_starter, "nvauto": nvauto_starter, "swan": swan_starter}
    if member not in starters:
        raise InputRefused(f"There is no member called {member!r}: choose {', '.join(starters)}.")
    recipes: dict[str, Callable[[], Recipe]] = starters
    if scale == "published":
        recipes = {"nvauto": nvauto_published, "swan": swan_published}
    if member not in recipes:
        raise InputRefused(f"{member.upper()} has no recipe at the {scale} scale: nnU-Net plans its network.")
    return recipes[member]()


def find_length(member: str, scale: Scale) -> Length:
    """Find how many folds and steps a member is trained at a scale.

    The published ones are those of the originals: nnU-Net's 1000 epochs of 250 steps; for NVAUTO Auto3DSeg's 300 epochs
    over four fifths of ISLES'22's 250 cases; for SWAN the 100 000 steps of its configurations.
    """
    published = {"seals": Length(5, 250_000), "nvauto": Length(5, 60_000), "swan": Length(5, 100_000)}
    return published.get(member, Length()) if scale == "published" else Length()


def seals_starter() -> Recipe:
    """SEALS in small: a plain U-Net with Dice and cross entropy, as nnU-Net trains it."""
    features = (8, 24, 48, 96, 128)
    stages = len(features)
    return Recipe(
        member="seals",
        networks={
            "fold": PlainConvUNetSpec(
                in_channels=2,
                out_channels=2,
                features=features,
                strides=(WHOLE, *(HALVING,) * (stages - 1)),
                encoder_kernel_sizes=(KERNEL,) * stages,
                decoder_kernel_sizes=(KERNEL,) * (stages - 1),
                encoder_convolutions=(2,) * stages,
                decoder_convolutions=(2,) * (stages - 1),
            )
        },
        settings=SealsSettings(
            patch_size=(64, 64, 64),
            spacing_mm=(2.0, 2.0, 2.0),
            transpose=(0, 1, 2),
            mask_normalisation=(True, True),
            mirror_axes=(2,),
            resampling="axes",
        ),
        channels=(DWI, ADC),
        axes="zyx",
        loss="dice-cross-entropy",
    )


def nvauto_starter() -> Recipe:
    """NVAUTO in small: a SegResNet with Dice and focal loss (Auto3DSeg)."""
    return Recipe(
        member="nvauto",
        networks={
            "model": SegResNetDSSpec(
                in_channels=2,
                out_channels=2,
                init_filters=8,
                blocks_down=(1, 2, 2, 4),
                blocks_up=(1, 1, 1),
                dsdepth=3,
                norm="instance_affine",
            )
        },
        settings=NvautoSettings(window=(64, 64, 64), overlap=0.5, spacing_mm=(2.0, 2.0, 2.0)),
        channels=(ADC, DWI),
        axes="xyz",
        loss="dice-focal",
    )


def swan_starter() -> Recipe:
    """SWAN in small: a residual U-Net and a Swin Factorizer on all three images."""
    return Recipe(
        member="swan",
        networks=_describe_swan((8, 16, 32, 64, 96), shifts=(None, (2, 2, 2)), dropout=0.0),
        settings=SwanSettings(),
        channels=(DWI, ADC, FLAIR),
        axes="xyz",
        loss="dice-cross-entropy",
        out_channels=1,
    )


def nvauto_published() -> Recipe:
    """NVAUTO at full size: 15 networks of 87 M parameters, five folds three times, at 1 mm.

    The published archives do not say what their networks look like. Sizes are those of MONAI's Auto3DSeg template for
    SegResNet, whose authors trained NVAUTO, as are optimiser and batch; window and spacing are those it is run with
    (DeepISLES, src/NVAUTO/process.py).
    """
    window = (192, 192, 128)
    return Recipe(
        member="nvauto",
        networks={"model": NVAUTO_NETWORK},
        settings=NvautoSettings(window=window),
        channels=(ADC, DWI),
        axes="xyz",
        loss="dice-focal",
        patch_size=(window[2], window[1], window[0]),
        spacing_mm=1.0,
        learning_rate=2e-4,
        weight_decay=1e-5,
        batch_size=1,
        repeats=3,
    )


def swan_published() -> Recipe:
    """SWAN at full size: five ResU-Nets of 29 M and five Swin Factorizers of 5.6 M parameters, at 2 mm.

    Sizes, optimiser and batch (two crops on each of two GPUs) are those of the configurations in factorizer-isles22
    (config_isles22_fold0_resunet.yaml and config_isles22_fold0_swin-factorizer.yaml).
    """
    return Recipe(
        member="swan",
        networks=_describe_swan((32, 64, 128, 256, 512), shifts=(None, (1, 1, 1), (2, 2, 2), (3, 3, 3)), dropout=0.1),
        settings=SwanSettings(),
        channels=(DWI, ADC, FLAIR),
        axes="xyz",
        loss="dice-cross-entropy",
        out_channels=1,
        learning_rate=1e-4,
        batch_size=4,
    )


def _describe_swan(widths: tuple[int, ...], shifts: tuple[Size | None, ...], dropout: float) -> dict[str, NetworkSpec]:
    """Describe SWAN's two kinds of network; all but widths, shifts and dropout is factorizer-isles22's."""
    skeleton = UNetSkeletonSpec(
        in_channels=3,
        out_channels=1,
        stem_width=widths[0],
        widths=widths,
        strides=(WHOLE, *(HALVING,) * (len(widths) - 1)),
        encoder_depth=(1,) * len(widths),
        decoder_depth=(1,) * (len(widths) - 1),
        heads=3,
    )
    return {
        "resunet_fold": ResUNetSpec(skeleton, norm_groups=8, negative_slope=1e-2),
        "swin-factorizer_fold": SwinFactorizerSpec(
            skeleton,
            spatial_size=(64, 64, 64),
            pos_embed=True,
            head_dim=8,
            patch_size=(4, 4, 4),
            shifts=shifts,
            rank=1,
            iterations=5,
            mlp_ratio=2.0,
            dropout=dropout,
            nmf_dropout=dropout,
            mlp_dropout=dropout,
        ),
    }
