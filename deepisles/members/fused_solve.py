"""A linear solve whose last bits are the same on every machine.

NVAUTO's resampling is sensitive to the 18th digit of one small linear solve (see `monai_resampling`), in which LAPACK
builds differ from processor to processor. Done with fused multiply-adds, as the original's was, it is the original's to
the bit.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def solve_fused(matrix: NDArray[np.float64], right_side: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve ``matrix @ x = right_side`` by LU factorisation with partial pivoting, every multiply-add rounded once.

    The order of operations is that of OpenBLAS' `dgesv` on processors with fused multiply-add: multipliers by the
    pivot's reciprocal, columns substituted right-looking.

    Parameters
    ----------
    matrix : numpy.ndarray
        (n, n), not singular.
    right_side : numpy.ndarray
        (n, m).

    Returns
    -------
    numpy.ndarray
        (n, m).
    """
    lu = [[float(value) for value in row] for row in matrix]
    x = [[float(value) for value in row] for row in right_side]
    n = len(lu)
    for k in range(n):
        pivot = max(range(k, n), key=lambda row: (abs(lu[row][k]), -row))
        lu[k], lu[pivot] = lu[pivot], lu[k]
        x[k], x[pivot] = x[pivot], x[k]
        reciprocal = 1.0 / lu[k][k]
        for row in range(k + 1, n):
            lu[row][k] *= reciprocal
            for column in range(k + 1, n):
                lu[row][column] = _fused(-lu[row][k], lu[k][column], lu[row][column])
    for column in range(len(x[0])):
        for row in range(n):
            for k in range(row):
                x[row][column] = _fused(-lu[row][k], x[k][column], x[row][column])
        for row in reversed(range(n)):
            for k in reversed(range(row + 1, n)):
                x[row][column] = _fused(-lu[row][k], x[k][column], x[row][column])
            x[row][column] /= lu[row][row]
    return np.array(x)


def _fused(a: float, b: float, c: float) -> float:
    """Compute ``a * b + c``, rounded once (`math.fma` comes with Python 3.13)."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    # a Fraction has no negative zero
    return float(exact) if exact else a * b + c
