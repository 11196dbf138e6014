"""Low-rank approximation of non-negative matrices inside a network (factorizer's `NMF`)."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-8
"""Keeps the updates of an all-zero matrix defined; factorizer's default."""


class InitialFactors(nn.Module):
    """The factors that every factorisation starts from: buffers that come with the weights."""

    u0: Tensor
    v0: Tensor

    def __init__(self, rows: int, columns: int, rank: int) -> None:
        super().__init__()
        self.register_buffer("u0", torch.rand(rows, rank))
        self.register_buffer("v0", torch.rand(columns, rank))


class NonNegativeFactorization(nn.Module):
    """Replace each matrix X >= 0 by U V^T of low rank, U and V >= 0, found by hierarchical alternating least squares.

    HALS as in Cichocki and Phan, IEICE Trans. Fundamentals E92-A (2009): each column of a factor in turn is the
    least-squares optimum given all the others, set to zero where negative.

    Parameters
    ----------
    rows, columns : int
        Size of the matrices.
    rank : int
        Columns of U and of V.
    iterations : int
        Updates of U and of V.
    """

    def __init__(self, rows: int, columns: int, rank: int, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations
        self.init = InitialFactors(rows, columns, rank)

    def forward(self, matrices: Tensor) -> Tensor:
        """Map non-negative (..., rows, columns) to their approximations, computed in float32."""
        kind = matrices.device.type
        # epsilon is zero in float16, and 0 / 0 would follow; tensors that are shapes alone ("meta") have no autocast
        with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
            return self._approximate(matrices.float()).to(matrices.dtype)

    def _approximate(self, x: Tensor) -> Tensor:
        u, v = self.init.u0.float(), self.init.v0.float()
        for _ in range(self.iterations):
            # x @ v and x.mT @ u; written so, the library's product of a row and a matrix takes a quarter of the time
            u = _update(u, (v.mT @ x.mT).mT, v.mT @ v)
            v = _update(v, (u.mT @ x).mT, u.mT @ u)
        return (v @ u.mT).mT.expand_as(x)


def _update(factor: Tensor, projection: Tensor, gram: Tensor) -> Tensor:
    """Update the columns of one factor in order, each given the newest of the others.

    Parameters
    ----------
    factor : Tensor
        (..., rows, rank), the factor to update.
    projection : Tensor
        (..., rows, rank), the matrix times the other factor.
    gram : Tensor
        (..., rank, rank), the other factor's columns times each other.

    Returns
    -------
    Tensor
        (..., rows, rank).
    """
    columns = list(factor.unbind(-1))
    for r in range(len(columns)):
        target = projection[..., r]
        for j, column in enumerate(columns):
            if j != r:
                target = target - column * gram[..., j, r, None]
        columns[r] = functional.relu((target + EPSILON) / (gram[..., r, r, None] + EPSILON))
    # a stack of one would copy it
    return columns[0][..., None] if len(columns) == 1 else torch.stack(columns, dim=-1)
