"""The members' losses, over every output of deep supervision."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from monai.losses import DeepSupervisionLoss, DiceCELoss, DiceLoss, FocalLoss
from torch import Tensor, nn

from deepisles.training.recipes import LossName

Loss = Callable[[Tensor | Sequence[Tensor], Tensor], Tensor]
FOCUS = 2.0
"""Exponent of the focal loss (Lin et al. 2017)."""
FOCAL_WEIGHT = 0.1
"""Beside Dice. At 1 the focal loss led, which is content with unsure answers: a network drew a quarter of a stroke."""
LEAST_LESION_VOXELS = 100
"""What the focal loss is shared among in crops with little or no lesion: a choice, some 1 ml of 2 mm voxels."""


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
    loss = DiceFocal(out_channels) if name == "dice-focal" else DiceCELoss(**_over_lesions(out_channels))
    return DeepSupervisionLoss(loss, weight_mode="exp")  # type: ignore[no-any-return]


class DiceFocal(nn.Module):
    """Dice and focal loss, the latter summed and shared among the lesion's voxels (Lin et al. 2017, section 4.1).

    MONAI's DiceFocalLoss takes the focal loss's mean over all voxels. A lesion of a few voxels that a network is sure
    not to see then weighs nothing: Dice's own gradient is gone there, and SegResNet's logits, which no normalisation
    holds, grow to 100.

    Parameters
    ----------
    out_channels : int
        2: softmax over background and lesion; 1: sigmoid.
    """

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.dice = DiceLoss(**_over_lesions(out_channels))
        softmax = out_channels > 1
        self.focal = FocalLoss(gamma=FOCUS, use_softmax=softmax, to_onehot_y=softmax, reduction="none")

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Map logits (B, out, *axes) and label (B, 1, *axes) to a number."""
        shared: Tensor = self.focal(logits, label).sum() / label.sum().clamp(min=LEAST_LESION_VOXELS)
        return torch.as_tensor(self.dice(logits, label) + FOCAL_WEIGHT * shared)


def _over_lesions(out_channels: int) -> dict[str, bool]:
    if out_channels == 1:
        return {"sigmoid": True, "batch": True}
    return {"softmax": True, "to_onehot_y": True, "include_background": False, "batch": True}
