"""oneDNN's 3-D convolution, where PyTorch would choose a slower one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NO_STRIDE = (1, 1, 1)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: tuple[int, ...],
    stride: tuple[int, ...] = NO_STRIDE,
    dilation: tuple[int, ...] = NO_STRIDE,
    groups: int = 1,
) -> Tensor:
    """Convolve (batch, channels, a, b, c), in 16 bits under autocast."""
    if torch.is_autocast_enabled("cpu"):
        # autocast does not know this function
        dtype = torch.get_autocast_dtype("cpu")
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    result: Tensor = torch.mkldnn_convolution(x, weight, bias, padding, stride, dilation, groups)
    return result


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
        return convolve(x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups)
