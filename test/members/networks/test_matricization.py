"""Cutting a volume into matrices and putting it back."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.npyio import NpzFile

from deepisles.members.networks.matricization import ShiftedWindows

SHIFTS = {"a": (None, (1, 1, 1), (2, 2, 2), (3, 3, 3)), "b": (None, (2, 2, 2)), "c": (None, (1, 1, 1))}


@pytest.fixture(scope="module")
def units(golden: Path) -> NpzFile:
    return np.load(golden / "expected" / "swan" / "unit_fixture.npz")


def windows_of(units: NpzFile, setting: str) -> ShiftedWindows:
    channels, head_dim, patch, _, _ = (int(n) for n in units[f"{setting}_cfg"])
    size = tuple(units[f"{setting}_x"].shape[2:])
    return ShiftedWindows(channels, size, head_dim, (patch, patch, patch), SHIFTS[setting])


@pytest.mark.parametrize("setting", ["a", "b", "c"])
def test_matrices_equal_the_originals(units: NpzFile, setting: str) -> None:
    matrices = windows_of(units, setting).matricise(torch.from_numpy(units[f"{setting}_x"]).movedim(1, -1))
    assert np.array_equal(matrices.numpy(), units[f"{setting}_matricized"])


@pytest.mark.parametrize("setting", ["a", "b", "c"])
def test_folding_back_equals_the_originals(units: NpzFile, setting: str) -> None:
    volume = windows_of(units, setting).fold_back(torch.from_numpy(units[f"{setting}_nmf_of_relu"]))
    np.testing.assert_allclose(volume.movedim(-1, 1).numpy(), units[f"{setting}_folded_back"], atol=1e-6)


sizes = st.tuples(*[st.integers(1, 3)] * 3)
steps = st.one_of(st.none(), st.tuples(*[st.integers(-7, 7)] * 3))


@st.composite
def windows_and_volumes(draw: st.DrawFn) -> tuple[ShiftedWindows, torch.Tensor]:
    grid, patch, heads, head_dim = draw(sizes), draw(sizes), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = tuple(g * p for g, p in zip(grid, patch, strict=True))
    shifts = tuple(draw(st.lists(steps, min_size=1, max_size=4)))
    windows = ShiftedWindows(heads * head_dim, size, head_dim, patch, shifts)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    return windows, torch.rand(draw(st.integers(1, 2)), *size, heads * head_dim, generator=generator)


@given(windows_and_volumes())
@settings(deadline=None, max_examples=60)
def test_folding_back_undoes_matricising(drawn: tuple[ShiftedWindows, torch.Tensor]) -> None:
    windows, volume = drawn
    torch.testing.assert_close(windows.fold_back(windows.matricise(volume)), volume)


@given(windows_and_volumes(), st.data())
@settings(deadline=None, max_examples=60)
def test_every_value_comes_from_its_shifted_voxel(
    drawn: tuple[ShiftedWindows, torch.Tensor], data: st.DataObject
) -> None:
    windows, volume = drawn
    patch, heads = windows.patch_size, windows.channels // windows.head_dim
    grid = [n // p for n, p in zip(windows.spatial_size, patch, strict=True)]
    matrices = windows.matricise(volume)
    assert matrices.shape == (len(windows.shifts) * len(volume) * heads, prod(grid), windows.head_dim, prod(patch))

    t, b, h, k = (data.draw(st.integers(0, n - 1)) for n in (len(windows.shifts), len(volume), heads, windows.head_dim))
    g = [data.draw(st.integers(0, n - 1)) for n in grid]
    q = [data.draw(st.integers(0, n - 1)) for n in patch]
    shift = windows.shifts[t] or (0, 0, 0)
    voxel = [(g[i] * patch[i] + q[i] - shift[i]) % windows.spatial_size[i] for i in range(3)]
    row = (t * len(volume) + b) * heads + h
    found = matrices[row, np.ravel_multi_index(g, grid), k, np.ravel_multi_index(q, patch)]
    assert found == volume[b, *voxel, h * windows.head_dim + k]


def test_gradients_flow_back_whole() -> None:
    windows = ShiftedWindows(2, (4, 4, 4), 2, (2, 2, 2), (None, (1, 1, 1)))
    with torch.inference_mode():
        windows.matricise(torch.rand(1, 4, 4, 4, 2))
    volume = torch.rand(1, 4, 4, 4, 2, requires_grad=True)
    (windows.fold_back(windows.matricise(volume)) ** 2).sum().backward()
    torch.testing.assert_close(volume.grad, 2 * volume.detach())
