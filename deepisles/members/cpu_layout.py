"""Networks laid out for the CPU: the same arithmetic by oneDNN's faster kernels.

PyTorch 2.13 sends some 3-D convolutions of few channels to a slow path, and is slow to normalise channels-last data.
The modules in `cpu_convolution`, `sub_pixel_convolution` and `channels_last_norm` are not; results agree to rounding.
"""

from __future__ import annotations

import torch
from torch import nn

from deepisles.members.channels_last_norm import ChannelsLastGroupNorm, ChannelsLastInstanceNorm
from deepisles.members.cpu_convolution import OneDnnConv3d
from deepisles.members.sub_pixel_convolution import SubPixelConvTranspose3d, has_few_channels

CONVOLUTION_WEIGHT_DIMENSIONS = 5


def place_network(network: nn.Module, device: torch.device) -> nn.Module:
    """Put a convolutional network on its device, ready to infer."""
    network = network.to(device).eval()
    return lay_out_for_cpu(network) if device.type == "cpu" else network


def lay_out_for_cpu(network: nn.Module) -> nn.Module:
    """Swap a network's convolutions and normalisations for faster ones, in place, and make it channels-last.

    TorchScript modules are left as they are.
    """
    if isinstance(network, torch.jit.ScriptModule) or not torch.backends.mkldnn.enabled:
        return network
    swapped: dict[int, nn.Module] = {}
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):
            if child is None:
                continue
            if id(child) not in swapped:
                swapped[id(child)] = _fast_twin(child)
            if swapped[id(child)] is not child:
                setattr(parent, name, swapped[id(child)])
    for parameter in network.parameters():
        if parameter.ndim == CONVOLUTION_WEIGHT_DIMENSIONS:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return network


def _fast_twin(module: nn.Module) -> nn.Module:
    if type(module) is nn.Conv3d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return OneDnnConv3d(module)
    if type(module) is nn.ConvTranspose3d and has_few_channels(module):
        return SubPixelConvTranspose3d(module)
    if type(module) is nn.InstanceNorm3d and not module.track_running_stats:
        return ChannelsLastInstanceNorm(module)
    if isinstance(module, nn.GroupNorm):
        return ChannelsLastGroupNorm(module)
    return module
