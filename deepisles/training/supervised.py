"""Networks as training wants them: every output while training, the last one while validating."""

from __future__ import annotations

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import Tensor, nn

from deepisles.members.half_precision import computes_in_bfloat16
from deepisles.members.networks.unet_skeleton import UNetSkeleton


class DeeplySupervised(nn.Module):
    """A member's network that gives its logits at several resolutions in training mode.

    Parameters
    ----------
    network : nn.Module
        As `deepisles.weights.build.build_network` makes it.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Map (B, channels, *axes) to logits, full resolution first in training mode, else one tensor."""
        if isinstance(self.network, UNetSkeleton):
            return self.network.all_heads(image) if self.training else self.network(image)
        if isinstance(self.network, PlainConvUNet):
            # nnU-Net's switch; SegResNetDS goes by training mode itself
            self.network.decoder.deep_supervision = self.training
        logits = self.network(image)
        return list(logits) if isinstance(logits, list | tuple) else logits


class AutocastInferer:
    """Runs a network on whole crops in 16 bits where the device is faster with them.

    bfloat16 keeps float32's range, so that no loss scaling is needed. A CPU without instructions for it takes minutes
    for a step that takes a second in float32.

    Parameters
    ----------
    device : torch.device
        Where training runs.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.enabled = computes_in_bfloat16() if device.type == "cpu" else torch.cuda.is_bf16_supported()

    def __call__(self, inputs: Tensor, network: nn.Module, *_: object, **__: object) -> Tensor | list[Tensor]:
        """Map (B, channels, *axes) to float32 logits."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.enabled):
            logits = network(inputs.contiguous(memory_format=torch.channels_last_3d))
        return [each.float() for each in logits] if isinstance(logits, list) else logits.float()
