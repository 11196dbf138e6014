"""The non-negative factorisation inside the Swin Factorizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deepisles.members.networks.matrix_factorization import NonNegativeFactorization

seeds = st.integers(0, 10_000)


def make_factorization(rows: int, columns: int, rank: int, iterations: int, seed: int = 0) -> NonNegativeFactorization:
    torch.manual_seed(seed)
    return NonNegativeFactorization(rows, columns, rank, iterations)


def random_matrices(seed: int, *shape: int) -> Tensor:
    return torch.relu(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("setting", ["a", "b", "c"])
def test_approximations_equal_the_originals(golden: Path, setting: str) -> None:
    units = np.load(golden / "expected" / "swan" / "unit_fixture.npz")
    _, head_dim, patch, rank, iterations = (int(n) for n in units[f"{setting}_cfg"])
    factorization = NonNegativeFactorization(head_dim, patch**3, rank, iterations)
    factorization.init.load_state_dict({n: torch.from_numpy(units[f"{setting}_{n}"]) for n in ("u0", "v0")})
    approximation = factorization(torch.relu(torch.from_numpy(units[f"{setting}_matricized"])))
    np.testing.assert_allclose(approximation.numpy(), units[f"{setting}_nmf_of_relu"], atol=2e-5)


@given(seeds, st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(0, 6))
@settings(deadline=None, max_examples=60)
def test_approximations_are_finite_and_never_negative(
    seed: int, rows: int, columns: int, rank: int, iterations: int
) -> None:
    matrices = random_matrices(seed, 2, 3, rows, columns)
    approximation = make_factorization(rows, columns, rank, iterations, seed)(matrices)
    assert approximation.shape == matrices.shape
    assert torch.isfinite(approximation).all()
    assert (approximation >= 0).all()


@given(seeds, st.integers(1, 9), st.integers(1, 9), st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_rank_one_matrices_are_reproduced(seed: int, rows: int, columns: int, iterations: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    u, v = (0.1 + torch.rand(4, n, 1, generator=generator) for n in (rows, columns))
    matrices = u @ v.mT
    approximation = make_factorization(rows, columns, 1, iterations, seed)(matrices)
    torch.testing.assert_close(approximation, matrices, rtol=1e-4, atol=1e-6)


@given(seeds, st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_more_iterations_never_fit_worse(seed: int, rank: int) -> None:
    matrices = random_matrices(seed, 5, 6, 8)
    errors = [
        (make_factorization(6, 8, rank, iterations, seed)(matrices) - matrices).norm(dim=(-2, -1))
        for iterations in (1, 2, 5)
    ]
    assert (errors[1] <= errors[0] + 1e-4).all()
    assert (errors[2] <= errors[1] + 1e-4).all()


@given(seeds, st.permutations(range(4)))
@settings(deadline=None, max_examples=30)
def test_each_matrix_stands_alone(seed: int, order: list[int]) -> None:
    matrices = random_matrices(seed, 4, 5, 7)
    factorization = make_factorization(5, 7, 2, 5)
    torch.testing.assert_close(factorization(matrices)[order], factorization(matrices[order]))


def test_zero_matrices_stay_zero_at_half_precision() -> None:
    factorization = make_factorization(4, 8, 1, 5)
    approximation = factorization(torch.zeros(2, 4, 8, dtype=torch.float16))
    assert approximation.dtype == torch.float16
    assert torch.equal(approximation, torch.zeros_like(approximation))


def test_autocast_changes_nothing() -> None:
    matrices = random_matrices(3, 2, 4, 8)
    factorization = make_factorization(4, 8, 2, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = factorization(matrices)
    assert torch.equal(under_autocast, factorization(matrices))


def test_training_reaches_the_input() -> None:
    matrices = random_matrices(5, 2, 4, 8).requires_grad_()
    make_factorization(4, 8, 2, 3)(matrices).square().sum().backward()
    assert matrices.grad is not None
    assert torch.isfinite(matrices.grad).all()
    assert matrices.grad.abs().sum() > 0
