"""Sliding windows."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepisles.members.mirroring import average_mirrored
from deepisles.members.nvauto import make_gaussian_weight
from deepisles.members.seals import list_starts
from deepisles.members.windows import blend_windows, list_dense_starts, pad_to_window

sizes = st.tuples(*[st.integers(3, 14)] * 3)
windows = st.tuples(*[st.integers(2, 7)] * 3)


@given(sizes, windows, st.booleans())
def test_blending_a_pointwise_network_gives_its_answer_back(size, window, by_nnunet):
    image = torch.randn(1, 2, *size)
    padding = pad_to_window(size, window)
    padded = padding.apply(image)
    shape = tuple(padded.shape[2:])
    starts = list_starts(shape, window, 0.5) if by_nnunet else list_dense_starts(shape, window, 0.6)
    weight = torch.rand(window) + 0.1
    blended = padding.remove(blend_windows(lambda part: 3 * part, padded, window, starts, weight))
    torch.testing.assert_close(blended, 3 * image)


@given(sizes, windows, st.sets(st.integers(0, 2)), st.integers(0, 20), st.integers(1, 20))
def test_how_many_windows_go_at_once_changes_nothing(size, window, axes, at_once, flipped_at_once):
    """A network that sees neighbours, of which each window and each flip gives another answer."""
    network = torch.nn.Conv3d(2, 2, 3, padding=1).requires_grad_(requires_grad=False)
    image = pad_to_window(size, window).apply(torch.randn(1, 2, *size))
    starts = list_dense_starts(image.shape[2:], window, 0.6)
    counted = []

    def blend(at_once, flipped_at_once):
        return blend_windows(
            lambda part: average_mirrored(network, part, sorted(axes), flipped_at_once),
            image, window, starts, on_windows=counted.append, at_once=lambda: at_once,
        )  # fmt: skip

    torch.testing.assert_close(blend(at_once, flipped_at_once), blend(1, 1))
    assert sum(counted) == 2 * len(starts)


def test_windows_of_the_golden_cases(golden):
    told = json.loads((golden / "expected" / "nvauto" / "preproc_expected.json").read_text())["windows"]
    for name, windows_told in told.items():
        size = [max(int(n), w) for n, w in zip(name.split("x"), (192, 192, 128), strict=True)]
        starts = list_dense_starts(size, (192, 192, 128), 0.625)
        assert len(starts) == windows_told["n"]
        assert [list(start) for start in starts[:4]] == windows_told["order_first4"]
    assert list_starts((141, 164, 144), (96, 88, 144), 0.5) == [
        (z, y, 0) for z in (0, 45) for y in (0, 38, 76)
    ]  # fmt: skip


def test_padding_puts_the_odd_voxel_after():
    padding = pad_to_window((5, 8, 9), (8, 8, 8))
    assert padding.before == (1, 0, 0)
    assert padding.after == (2, 0, 0)


def test_nothing_to_predict_is_an_error():
    with pytest.raises(ValueError, match="no window"):
        blend_windows(lambda part: part, torch.zeros(1, 1, 4, 4, 4), (4, 4, 4), [])


@given(st.sets(st.integers(0, 2)))
def test_mirroring_sees_every_combination_of_flips_once(axes):
    seen = []

    def remember(window):
        seen.append(window.clone())
        return window

    window = torch.arange(24.0).reshape(1, 1, 2, 3, 4)
    torch.testing.assert_close(average_mirrored(remember, window, sorted(axes)), window)
    assert len({tuple(part.flatten().tolist()) for part in seen}) == len(seen) == 2 ** len(axes)


def test_the_gaussian_is_monai_0_9s():
    weight = make_gaussian_weight((192, 192, 128))
    assert weight.argmax() == (96 * 192 + 96) * 128 + 64
    assert weight.max() == 1
    assert weight.min() == pytest.approx(1e-3)
    # the original's page: 58 % of the window lies at the floor
    assert float((weight == weight.min()).float().mean()) == pytest.approx(0.58, abs=0.005)
