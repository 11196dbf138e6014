"""Lesions of hand-made masks with known answers."""

from __future__ import annotations

from dataclasses import replace

import cc3d
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from volumes import grids, make_grid

from deepisles.findings.lesions import label_lesions, list_lesions, measure_volume_ml

masks = arrays(np.uint8, st.tuples(*[st.integers(1, 7)] * 3), elements=st.integers(0, 1))


def describe(mask, grid, **kwargs):
    values = np.ones(mask.shape, np.float32)
    return list_lesions(mask, grid, kwargs.get("probability", values), kwargs.get("members", {}), values, values)


@given(masks)
def test_counts_are_scipys_and_cc3ds(mask):
    count = len(describe(mask, make_grid(mask.shape)))
    assert count == ndimage.label(mask, structure=np.ones((3, 3, 3)))[1]
    assert count == cc3d.connected_components(mask, connectivity=26, return_N=True)[1]


@given(masks)
def test_labels_run_from_the_largest_to_the_smallest(mask):
    lesions = describe(mask, make_grid(mask.shape))
    assert [lesion.label for lesion in lesions] == list(range(1, len(lesions) + 1))
    volumes = [lesion.volume_ml for lesion in lesions]
    assert volumes == sorted(volumes, reverse=True)


@given(masks, grids)
def test_centroids_are_the_mean_of_their_voxels_centres_under_any_orientation(mask, grid):
    grid = replace(grid, shape=mask.shape)
    labels = label_lesions(mask)
    for lesion in describe(mask, grid):
        centers = [(grid.affine_lps @ [x, y, z, 1])[:3] for z, y, x in np.argwhere(labels == lesion.label)]
        np.testing.assert_allclose(lesion.centroid_mm, np.mean(centers, axis=0), atol=1e-6)


@given(masks)
def test_lesions_are_scipys_26_connected_components_largest_first(mask):
    labels = label_lesions(mask)
    expected, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    assert labels.max(initial=0) == count
    for lesion in range(1, count + 1):
        assert len(np.unique(expected[labels == lesion])) == 1
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    assert all(sizes[:-1] >= sizes[1:])


@given(masks, grids)
def test_volumes_add_up(mask, grid):
    grid = make_grid(mask.shape, grid.spacing_mm, grid.origin_mm)
    lesions = describe(mask, grid)
    assert sum(lesion.volume_ml for lesion in lesions) == pytest.approx(measure_volume_ml(mask, grid))
    assert measure_volume_ml(mask, grid) == pytest.approx(mask.sum() * np.prod(grid.spacing_mm) / 1000)


@given(grids)
def test_the_centroid_of_one_voxel_is_its_centre_in_any_orientation(grid):
    mask = np.zeros(grid.shape, np.uint8)
    z, y, x = (n // 2 for n in grid.shape)
    mask[z, y, x] = 1
    (lesion,) = describe(mask, grid)
    np.testing.assert_allclose(lesion.centroid_mm, (grid.affine_lps @ [x, y, z, 1])[:3], atol=1e-6)
    assert lesion.start == (x, y, z)
    assert lesion.stop == (x + 1, y + 1, z + 1)
    assert lesion.slices == (z,)


def test_touching_by_a_corner_is_one_lesion():
    mask = np.zeros((2, 2, 2), np.uint8)
    mask[0, 0, 0] = mask[1, 1, 1] = 1
    assert len(describe(mask, make_grid((2, 2, 2)))) == 1


def test_votes_and_probability_are_those_of_the_lesions_voxels():
    mask = np.zeros((1, 1, 6), np.uint8)
    mask[..., :4] = 1
    probability = np.array([[[1.0, 0.5, 0.5, 1.0, 0.0, 0.0]]], np.float32)
    half = np.array([[[1, 1, 0, 0, 1, 1]]], np.uint8)
    (lesion,) = describe(mask, make_grid((1, 1, 6)), probability=probability, members={"seals": half, "swan": mask})
    assert lesion.votes == {"seals": 0.5, "swan": 1.0}
    assert lesion.mean_probability == pytest.approx(0.75)


def test_no_lesion_is_an_empty_list():
    assert describe(np.zeros((3, 3, 3), np.uint8), make_grid((3, 3, 3))) == ()
