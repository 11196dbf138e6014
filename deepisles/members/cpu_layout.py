"""Networks laid out for the CPU: the same arithmetic by oneDNN's faster kernels.

PyTorch 2.13 sends some 3-D convolutions of few channels to a slow path, and is slow to normalise channels-last data.
The modules here and in `channels_last_norm` are not; results agree to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepisles.members.channels_last_norm import ChannelsLastGroupNorm, ChannelsLastInstanceNorm

CONVOLUTION_WEIGHT_DIMENSIONS = 5


class OneDnnConv3d(nn.Module):
    """`torch.nn.Conv3d` by oneDNN, sharing the parameters of the module it stands for."""

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.weight = convolution.weight
        self.bias = convolution.bias
        self.padding = tuple(int(n) for n in convolution.padding)
        self.stride = convolution.stride
        self.dilation = convolution.dilation
        self.groups = convolution.groups

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (batch, channels, a, b, c)."""
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled("cpu"):
            # autocast does not know this function
            dtype = torch.get_autocast_dtype("cpu")
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        result: Tensor = torch.mkldnn_convolution(
            x, weight, bias, self.padding, self.stride, self.dilation, self.groups
        )
        return result


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
    if type(module) is nn.InstanceNorm3d and not module.track_running_stats:
        return ChannelsLastInstanceNorm(module)
    if isinstance(module, nn.GroupNorm):
        return ChannelsLastGroupNorm(module)
    return module
