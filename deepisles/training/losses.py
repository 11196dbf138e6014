"""The members' losses, over every output of deep supervision."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monai.losses import DeepSupervisionLoss, DiceCELoss, DiceFocalLoss
from torch import Tensor

from deepisles.training.recipes import LossName

Loss = Callable[[Tensor | Sequence[Tensor], Tensor], Tensor]
FOCUS = 2.0
"""Exponent of the focal loss (Lin et al. 2017)."""


def make_loss(name: LossName, out_channels: int) -> Loss:
    """Make a member's loss.

    Dice is taken over the whole batch: crops without lesion, of which there are many, have none of their own.

    Parameters
    ----------
    name : str
        "dice-cross-entropy" (SEALS, SWAN) or "dice-focal" (NVAUTO).
    out_channels : int
        2: softmax over background and lesion; 1: sigmoid.

    Returns
    -------
    callable
        Maps logits (one tensor (B, out, *axes), or several, full resolution first) and label (B, 1, *axes) to a number.
        Each lower resolution counts half as much as the one above (Isensee et al. 2021).
    """
    if out_channels == 1:
        options = {"sigmoid": True, "batch": True}
    else:
        options = {"softmax": True, "to_onehot_y": True, "include_background": False, "batch": True}
    if name == "dice-focal":
        return DeepSupervisionLoss(DiceFocalLoss(gamma=FOCUS, **options), weight_mode="exp")  # type: ignore[no-any-return]
    return DeepSupervisionLoss(DiceCELoss(**options), weight_mode="exp")  # type: ignore[no-any-return]
