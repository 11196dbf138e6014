"""Random values for networks, scaled so that activations stay of the same size from layer to layer."""

from __future__ import annotations

from math import prod

import torch
from torch import nn

from deepisles.members.networks.matrix_factorization import InitialFactors
from deepisles.members.networks.swin_factorizer import PositionEmbedding

POSITION_DEVIATION = 0.02
"""Standard deviation of position embeddings, small beside the features that they are added to."""


@torch.no_grad()
def fill_at_random(network: nn.Module, generator: torch.Generator) -> None:
    """Fill all parameters and buffers of a network, in place.

    Weights are drawn as He et al. (ICCV 2015) do, with the variance 2 / (inputs of an output), biases are 0, and
    normalisation begins as the identity.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU.
    generator : torch.Generator
        Where the numbers come from.

    Raises
    ------
    ValueError
        If a layer with numbers of its own is of an unknown kind.
    """
    for module in network.modules():
        match module:
            case nn.Conv1d() | nn.Conv3d():
                _fill(module, prod(module.weight.shape[1:]), generator)
            case nn.ConvTranspose3d():
                # what a kernel is wider than its stride, outputs overlap
                overlap = prod(module.kernel_size) / prod(module.stride)
                _fill(module, module.in_channels * overlap, generator)
            case nn.InstanceNorm3d() | nn.BatchNorm3d() | nn.GroupNorm() | nn.LayerNorm():
                module.reset_parameters()
            case InitialFactors():
                # factors of matrices that are not negative
                module.u0.uniform_(generator=generator)
                module.v0.uniform_(generator=generator)
            case PositionEmbedding():
                module.pos.normal_(std=POSITION_DEVIATION, generator=generator)
            case _ if any(module.parameters(recurse=False)) or any(module.buffers(recurse=False)):
                raise ValueError(f"there is no rule for the first values of a {type(module).__name__}")


def _fill(layer: nn.Conv1d | nn.Conv3d | nn.ConvTranspose3d, inputs: float, generator: torch.Generator) -> None:
    layer.weight.normal_(std=(2 / inputs) ** 0.5, generator=generator)
    if layer.bias is not None:
        layer.bias.zero_()
