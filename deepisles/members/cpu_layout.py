"""Networks laid out for the CPU: the same arithmetic by oneDNN's faster kernels.

PyTorch 2.13 sends some 3-D convolutions of few channels to a slow path, and copies channels-last data for instance
normalisation. The modules here do neither; results agree to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
        result: Tensor = torch.mkldnn_convolution(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )
        return result


class ChannelsLastInstanceNorm(nn.Module):
    """`torch.nn.InstanceNorm3d` that keeps channels-last data, sharing the parameters of the module it stands for.

    PyTorch's own copies such data twice; its group and batch normalisation would not, but lose three digits on it.
    """

    def __init__(self, norm: nn.InstanceNorm3d) -> None:
        super().__init__()
        self.weight = norm.weight
        self.bias = norm.bias
        self.eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, a, b, c)."""
        variance, mean = torch.var_mean(x, dim=(2, 3, 4), correction=0, keepdim=True)
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight.view(1, -1, 1, 1, 1)
        shift = -mean * scale
        if self.bias is not None:
            shift = shift + self.bias.view(1, -1, 1, 1, 1)
        return torch.addcmul(shift, x, scale)


def place_network(network: nn.Module, device: torch.device) -> nn.Module:
    """Put a convolutional network on its device, ready to infer."""
    network = network.to(device).eval()
    return lay_out_for_cpu(network) if device.type == "cpu" else network


def lay_out_for_cpu(network: nn.Module) -> nn.Module:
    """Swap a network's convolutions and instance normalisations for faster ones, in place, and make it channels-last.

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
    return module
