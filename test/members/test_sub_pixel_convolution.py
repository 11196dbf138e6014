"""Transposed convolutions by phases give what PyTorch's give."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from deepisles.members.cpu_layout import lay_out_for_cpu
from deepisles.members.sub_pixel_convolution import FEW_CHANNELS, SubPixelConvTranspose3d, has_few_channels

axis = st.integers(1, 3).flatmap(
    lambda stride: st.integers(0, 3).flatmap(
        # k - 2 p + more = stride, as PyTorch has it: more below the stride
        lambda padding: st.integers(0, min(stride - 1, 2 * padding)).map(
            lambda more: (stride + 2 * padding - more, stride, padding, more)
        )
    )
)


@given(st.tuples(axis, axis, axis), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.integers(0, 2**16))
def test_phases_are_the_transposed_convolution(axes, in_channels, out_channels, bias, seed):
    torch.manual_seed(seed)
    kernel, stride, padding, more = zip(*axes, strict=True)
    usual = nn.ConvTranspose3d(in_channels, out_channels, kernel, stride, padding, more, bias=bias)
    assert has_few_channels(usual)
    image = torch.randn(2, in_channels, 4, 3, 5)
    with torch.inference_mode():
        torch.testing.assert_close(SubPixelConvTranspose3d(usual)(image), usual(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        nn.ConvTranspose3d(FEW_CHANNELS + 1, 2, 2, 2),
        nn.ConvTranspose3d(4, 4, 2, 2, groups=2),
        nn.ConvTranspose3d(2, 2, 3, 2),
        nn.ConvTranspose3d(2, 2, 2, 3),
        nn.ConvTranspose3d(2, 2, 3, 2, padding=2, output_padding=1, dilation=2),
    ],
)
def test_others_stay_as_they_are(other):
    network = nn.Sequential(other)
    assert lay_out_for_cpu(network)[0] is other
