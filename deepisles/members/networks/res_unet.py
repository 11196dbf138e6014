"""ResU-Net, one of SWAN's two architectures."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import ResUNetSpec
from deepisles.members.networks.unet_skeleton import BlockPlace, UNetSkeleton


class ResUNet(UNetSkeleton):
    """The U-Net skeleton with residual convolution blocks.

    Raises
    ------
    WeightsError
        If the description contradicts itself.
    """

    def __init__(self, spec: ResUNetSpec) -> None:
        if spec.norm_groups < 1 or any(width % spec.norm_groups for width in spec.skeleton.widths):
            raise WeightsError(
                "The widths of a ResU-Net are not multiples of its normalisation groups; import its weights again."
            )
        super().__init__(spec.skeleton, lambda place: ResidualBlock(place, spec))


class ResidualBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions with group normalisation, around them a shortcut (factorizer's `BasicBlock`)."""

    def __init__(self, place: BlockPlace, spec: ResUNetSpec) -> None:
        super().__init__()
        inside, outside = place.in_channels, place.out_channels
        self.negative_slope = spec.negative_slope
        self.conv1 = nn.Conv3d(inside, outside, kernel_size=3, padding=1)
        self.norm1 = ContiguousGroupNorm(spec.norm_groups, outside)
        self.conv2 = nn.Conv3d(outside, outside, kernel_size=3, padding=1)
        self.norm2 = ContiguousGroupNorm(spec.norm_groups, outside)
        self.dropout = nn.Dropout(spec.dropout)
        self.shortcut: nn.Module = (
            nn.Identity() if inside == outside else nn.Conv3d(inside, outside, kernel_size=1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in, *spatial) to (B, out, *spatial)."""
        out = self.norm1(self.dropout(self.conv1(features)))
        out = functional.leaky_relu(out, self.negative_slope, inplace=True)
        out = self.norm2(self.dropout(self.conv2(out)))
        out = out + self.shortcut(features)
        return functional.leaky_relu(out, self.negative_slope, inplace=True)


class ContiguousGroupNorm(nn.GroupNorm):
    """Group normalisation that keeps its precision whatever the memory layout.

    On channels-last data PyTorch 2.13's CPU kernel takes the variance as a difference of large float32 sums: where a
    group's mean is 30 deviations from zero its results are off by 0.05.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, channels, *spatial) to the same shape."""
        return super().forward(features.contiguous())


def build_res_unet(spec: ResUNetSpec) -> ResUNet:
    """Build a ResU-Net with fresh weights."""
    return ResUNet(spec)
