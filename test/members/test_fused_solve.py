"""The solve whose last bits are the same everywhere."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from volumes import grids

from deepisles.members.fused_solve import solve_fused


@given(grids, grids)
def test_it_solves_as_numpy_does_but_for_rounding(grid, other):
    ours = solve_fused(grid.affine_ras, other.affine_ras)
    np.testing.assert_allclose(ours, np.linalg.solve(grid.affine_ras, other.affine_ras), atol=1e-8, rtol=1e-8)


def test_a_pivot_of_zero_is_exchanged():
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(solve_fused(swap, np.eye(2)), swap)
