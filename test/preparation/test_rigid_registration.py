"""FLAIR on the DWI's grid by turning and moving it alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.spatial.transform import Rotation
from volumes import make_volume

from deepisles.case.reading import read_volume
from deepisles.case.volume import Volume
from deepisles.errors import GeometryError, MemberFailed
from deepisles.preparation.registration import FlairRegistration

SAMPLE = Path(__file__).resolve().parents[2] / "resources" / "sample"


@pytest.fixture(scope="module")
def sample():
    return {name: read_volume(SAMPLE / f"{name}.mha", name) for name in ("dwi", "flair")}


def register_rigidly(dwi: Volume, flair: Volume) -> Volume:
    with FlairRegistration(dwi, flair, "rigid") as registration:
        return registration.result()


def move(volume: Volume, turn_deg: tuple[float, ...], shift_mm: tuple[float, ...]) -> Volume:
    """Turn a volume around its middle and shift it, by its header alone."""
    grid = volume.grid
    middle = np.array(grid.to_physical_mm(np.array([(side - 1) / 2 for side in grid.shape])))
    turn = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    origin = turn @ (np.array(grid.origin_mm) - middle) + middle + shift_mm
    direction = turn @ np.array(grid.direction).reshape(3, 3)
    moved = replace(grid, origin_mm=tuple(map(float, origin)), direction=tuple(map(float, direction.ravel())))
    return Volume(volume.array, moved)


@pytest.mark.parametrize(
    ("turn_deg", "shift_mm"),
    [((0, 0, 0), (9, 0, 0)), ((6, 0, 0), (0, -7, 5)), ((-4, 5, 7), (6, 6, -6)), ((0, 0, 0), (20, -15, 10))],
)
def test_a_wrong_header_is_undone(sample, turn_deg, shift_mm):
    dwi, flair = sample["dwi"], sample["flair"]
    wrong = move(flair, turn_deg, shift_mm)
    laid, expected = register_rigidly(dwi, wrong), register_rigidly(dwi, flair).array
    assert laid.grid == dwi.grid
    assert laid.array.dtype == np.float32
    inside = binary_erosion(dwi.array > 0, iterations=2)
    one_voxel_off = np.abs(np.roll(expected, 1, axis=2) - expected)[inside].mean()
    assert np.abs(laid.array - expected)[inside].mean() < 0.25 * one_voxel_off


def test_the_same_images_give_the_same_result(sample):
    one, other = (register_rigidly(sample["dwi"], sample["flair"]).array for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_a_flair_of_another_place_is_refused(sample):
    with pytest.raises(GeometryError):
        register_rigidly(sample["dwi"], move(sample["flair"], (0, 0, 0), (400, 0, 0)))


def test_images_that_cannot_be_compared_are_one_sentence():
    flat = make_volume((30, 40, 40)).with_array(np.zeros((30, 40, 40), np.float32))
    with pytest.raises(MemberFailed, match="Registering FLAIR") as told:
        register_rigidly(flat, flat)
    assert "\n" not in str(told.value)
