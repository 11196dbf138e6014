"""SWAN: preparation, windows, and what its networks say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from deepisles.case.volume import Grid, Volume
from deepisles.errors import MemberFailed
from deepisles.members.axis_resampling import find_resampled_size, resample_back, resample_to
from deepisles.members.member import ignore_progress
from deepisles.members.networks.res_unet import build_res_unet
from deepisles.members.networks.specs import ResUNetSpec, UNetSkeletonSpec
from deepisles.members.nonzero_normalisation import normalise
from deepisles.members.settings import SwanSettings
from deepisles.members.swan import Swan, stack_channels
from deepisles.members.windows import list_dense_starts, pad_to_window
from deepisles.preparation.prepared import IsotropicImages, PreparedCase

CPU = torch.device("cpu")
SMALL_WINDOW = SwanSettings(window=(8, 8, 8))


class Affine(nn.Module):
    """A network whose answer is known: weight x DWI + bias."""

    def __init__(self, weight: float, bias: float) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, window: Tensor) -> Tensor:
        """Map (1, channels, x, y, z) to (1, 1, x, y, z)."""
        return window[:, :1] * self.weight + self.bias


def make_case(
    shape: tuple[int, int, int] = (9, 10, 11), spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0)
) -> PreparedCase:
    grid = Grid(shape, spacing_mm, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    dwi, adc, flair = (Volume(values, grid) for values in np.random.default_rng(0).normal(100, 20, (3, *shape)))
    return PreparedCase(dwi, adc, IsotropicImages(dwi, adc), flair)


def make_swan(networks: Sequence[nn.Module], settings: SwanSettings = SMALL_WINDOW) -> Swan:
    return Swan(networks, settings, CPU, weights_digest="0" * 64)


def test_each_channel_stands_alone_and_zeros_stay() -> None:
    channels = np.random.default_rng(1).normal(50, 10, (2, 4, 5, 6)).astype(np.float32)
    channels[0, :2] = 0
    channels[1, :, :3] = 0
    channels[1, 0, 4, 0] = -3
    before = channels.copy()
    normalised = normalise(channels)
    assert np.array_equal(channels, before)
    for given_values, values in zip(channels, normalised, strict=True):
        inside = given_values != 0
        assert (values[~inside] == 0).all()
        assert abs(values[inside].mean()) < 1e-5
        assert values[inside].std() == pytest.approx(1, abs=1e-5)


def test_empty_and_constant_channels() -> None:
    channels = np.zeros((2, 3, 3, 3), dtype=np.float32)
    channels[1, 1] = 7
    assert np.array_equal(normalise(channels), np.zeros_like(channels))


def test_channels_lie_in_x_y_z_order() -> None:
    case = make_case((2, 3, 4))
    assert case.flair is not None
    channels = stack_channels(case.dwi, case.adc, case.flair)
    assert channels.shape == (3, 4, 3, 2)
    assert channels.dtype == np.float32
    assert channels[1, 3, 2, 1] == np.float32(case.adc.array[1, 2, 3])


@pytest.mark.parametrize(
    ("size", "spacing_mm", "expected"),
    [
        ((112, 112, 73), (2.0, 2.0, 2.0), (112, 112, 73)),
        ((128, 128, 25), (1.796875, 1.796875, 4.800000190734863), (115, 115, 60)),
        ((9, 9, 9), (2.00001, 1.99999, 2.0), (9, 9, 9)),
        ((5, 7, 9), (1.0, 1.0, 1.0), (2, 4, 4)),  # halves go to the even number
        ((1, 300, 1), (0.5, 0.9, 6.0), (1, 135, 3)),
    ],
)
def test_sizes(
    size: tuple[int, int, int], spacing_mm: tuple[float, float, float], expected: tuple[int, int, int]
) -> None:
    assert find_resampled_size(size, spacing_mm, (2.0, 2.0, 2.0)) == expected


def test_same_spacing_gives_the_same_image() -> None:
    image = torch.rand(1, 3, 4, 5, 6)
    assert resample_to(image, (2.0, 2.0, 2.0), (2.0, 2.0, 2.0)) is image


@given(st.integers(1, 20), st.integers(1, 20))
@settings(deadline=None)
def test_voxel_centres_follow_the_ratio_of_the_sizes(before: int, after: int) -> None:
    row = np.random.default_rng(before).random(before).astype(np.float32)
    image = torch.from_numpy(row).reshape(1, 1, before, 1, 1)
    source = (np.arange(after) + 0.5) * before / after - 0.5
    expected = np.interp(source, np.arange(before), row)
    np.testing.assert_allclose(resample_back(image, (after, 1, 1)).flatten().numpy(), expected, atol=1e-5)


def test_there_and_back_keeps_a_smooth_image() -> None:
    ramp = torch.linspace(0, 1, 24)[:, None, None] + torch.linspace(0, 2, 20)[:, None] + torch.linspace(0, 3, 6)
    image = ramp[None, None]
    resampled = resample_to(image, (1.8, 1.8, 4.8), (2.0, 2.0, 2.0))
    assert resampled.shape == (1, 1, 22, 18, 14)
    back = resample_back(resampled, image.shape[2:])
    assert (back - image)[..., 1:-1, 1:-1, 1:-1].abs().max() < 0.05


def test_case_that_needs_no_padding() -> None:
    starts = list_dense_starts((112, 112, 73), (64, 64, 64), 0.5)
    assert starts == [(x, y, z) for x in (0, 32, 48) for y in (0, 32, 48) for z in (0, 9)]


def test_thick_slices_are_padded() -> None:
    padding = pad_to_window((115, 115, 60), (64, 64, 64))
    assert (padding.before, padding.after) == ((0, 0, 2), (0, 0, 2))
    starts = list_dense_starts((115, 115, 64), (64, 64, 64), 0.5)
    assert starts == [(x, y, 0) for x in (0, 32, 51) for y in (0, 32, 51)]


def test_answer_lies_where_the_lesion_is() -> None:
    case = make_case((5, 12, 19))
    values = np.full((5, 12, 19), 100.0)
    values[3, 2:4, 15] = 1000
    case = replace(case, dwi=case.dwi.with_array(values))
    prediction = make_swan([Affine(4.0, -2.0)]).segment(case, ignore_progress)
    assert prediction.mask.dtype == np.uint8
    assert prediction.probability.dtype == np.float32
    assert np.array_equal(prediction.mask, values > 500)
    assert np.array_equal(prediction.probability > 0.5, values > 500)


def test_answer_comes_back_to_the_native_grid() -> None:
    case = make_case((7, 24, 20), (1.5, 1.5, 5.0))
    values = np.full((7, 24, 20), 100.0)
    values[4:6, 3:9, 10:17] = 1000
    case = replace(case, dwi=case.dwi.with_array(values))
    # the threshold lies halfway between the normalised values of lesion and background
    prediction = make_swan([Affine(1.0, -3.0)]).segment(case, ignore_progress)
    assert prediction.mask.shape == values.shape
    lesion = values > 500
    overlap = 2 * (prediction.mask[lesion] == 1).sum() / (prediction.mask.sum() + lesion.sum())
    assert overlap > 0.85


def test_probability_is_the_sigmoid_of_the_mean_logit() -> None:
    swan = make_swan([Affine(0.0, 3.0), Affine(0.0, -1.0), Affine(0.0, -1.5)])
    prediction = swan.segment(make_case(), ignore_progress)
    np.testing.assert_allclose(prediction.probability, 1 / (1 + np.exp(-0.5 / 3)), rtol=1e-5)
    assert prediction.mask.all()


def test_ties_are_lesion() -> None:
    prediction = make_swan([Affine(0.0, 0.0)]).segment(make_case(), ignore_progress)
    assert (prediction.probability == 0.5).all()
    assert prediction.mask.all()


def test_progress_counts_windows_times_networks() -> None:
    seen: list[tuple[int, int]] = []
    swan = make_swan([Affine(0.0, 1.0), Affine(0.0, 2.0)])
    swan.segment(make_case((8, 9, 16)), lambda done, total: seen.append((done, total)))
    windows = 3 * 2 * 1
    done = [count for count, _ in seen]
    assert {total for _, total in seen} == {2 * windows}
    assert done == sorted(set(done))
    assert done[-1] == 2 * windows


def test_dropout_is_off_even_in_networks_that_come_in_training_mode() -> None:
    torch.manual_seed(0)
    skeleton = UNetSkeletonSpec(3, 1, 4, (4, 8), ((1, 1, 1), (2, 2, 2)), (1, 1), (1,), 1)
    network = build_res_unet(ResUNetSpec(skeleton, norm_groups=2, negative_slope=0.01, dropout=0.5)).train()
    swan = make_swan([network])
    first, second = (swan.segment(make_case(), ignore_progress) for _ in range(2))
    assert not network.training
    assert first.probability.std() > 0
    assert np.array_equal(first.probability, second.probability)


def test_input_is_left_as_it_was() -> None:
    case = make_case()
    before = case.dwi.array.copy()
    make_swan([Affine(1.0, 0.0)]).segment(case, ignore_progress)
    assert np.array_equal(case.dwi.array, before)


def test_answers_that_are_not_numbers_are_a_failure() -> None:
    with pytest.raises(MemberFailed, match="not numbers"):
        make_swan([Affine(0.0, 1.0), Affine(0.0, float("nan"))]).segment(make_case(), ignore_progress)


def test_no_flair_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="FLAIR"):
        make_swan([Affine(0.0, 1.0)]).segment(replace(make_case(), flair=None), ignore_progress)
