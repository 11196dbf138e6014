"""Voxels laid on DICOM slices: every one lands where it was in the patient."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from volumes import grids, make_volume

from deepisles.case.dicom.source_slices import SourceSlices
from deepisles.case.volume import Grid, Volume
from deepisles.errors import GeometryError
from deepisles.reports.dicom.placement import lay_on_slices

ORDERS = list(permutations(range(3)))
FLIPS = list(product((False, True), repeat=3))


def as_slices(grid: Grid, order, flips, shift_mm=(0.0, 0.0, 0.0)) -> SourceSlices:
    """Make the slices that store a grid's voxels with its array axes in this order and some of them turned round."""
    shape = np.array(grid.shape)
    first = np.where(flips, shape - 1, 0)
    corner = grid.to_physical_mm(first) + shift_mm
    steps = [grid.to_physical_mm(first + np.eye(3)[axis] * (-1 if flips[axis] else 1)) + shift_mm - corner
             for axis in order]  # fmt: skip
    sizes = tuple(int(shape[axis]) for axis in order)
    corners = corner + np.arange(sizes[0])[:, None] * steps[0]
    return SourceSlices((), None, 3, sizes, corners, steps[1], steps[2])


@given(grid=grids, order=st.sampled_from(ORDERS), flips=st.sampled_from(FLIPS))
def test_every_voxel_keeps_its_place(grid, order, flips):
    volume = Volume(np.arange(np.prod(grid.shape)).reshape(grid.shape), grid)
    slices = as_slices(grid, order, flips)
    laid = lay_on_slices(volume, slices)
    assert laid.shape == slices.shape
    for slice_index, row, column in np.ndindex(*laid.shape):
        place = slices.corners_mm[slice_index] + row * slices.row_step_mm + column * slices.column_step_mm
        stored = np.unravel_index(laid[slice_index, row, column], grid.shape)
        np.testing.assert_allclose(grid.to_physical_mm(np.array(stored)), place, atol=1e-6)


def test_other_places_are_refused():
    volume = make_volume((5, 6, 7), rotation_deg=(5, 10, -8))
    right = as_slices(volume.grid, (0, 1, 2), (False, True, False))
    lay_on_slices(volume, right)
    shifted = as_slices(volume.grid, (0, 1, 2), (False, True, False), shift_mm=(0.0, 0.6, 0.0))
    fewer = SourceSlices((), None, 3, (4, 6, 7), right.corners_mm[:4], right.row_step_mm, right.column_step_mm)
    doubled = SourceSlices((), None, 3, right.shape, right.corners_mm, right.row_step_mm * 2, right.column_step_mm)
    for wrong in (shifted, fewer, doubled):
        with pytest.raises(GeometryError, match="--dicom-output derived"):
            lay_on_slices(volume, wrong)


def test_slices_a_little_uneven_keep_their_order():
    volume = make_volume((6, 4, 5))
    even = as_slices(volume.grid, (0, 1, 2), (False, False, False))
    off_mm = (
        np.array([0, 0.05, -0.05, 0.04, -0.02, 0])[:, None] * even.corners_mm[1] / np.linalg.norm(even.corners_mm[1])
    )
    uneven = SourceSlices((), None, 3, even.shape, even.corners_mm + off_mm, even.row_step_mm, even.column_step_mm)
    np.testing.assert_array_equal(lay_on_slices(volume, uneven), volume.array)
