"""Brains laid on the MNI template: known places found again, sides kept, bad ones told."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from mni_patient import INSULA_MM, make_patient
from scipy.spatial.transform import Rotation

from deepisles.atlas.store import open_atlas
from deepisles.case.itk_images import to_image
from deepisles.case.mni_template import load_mni_template
from deepisles.case.reading import read_volume
from deepisles.case.volume import Grid, Volume
from deepisles.findings.territory import measure_loads
from deepisles.preparation.isotropic import resample_to_isotropic
from deepisles.preparation.mni_alignment import (
    LEAST_INFORMATION,
    LEAST_OVERLAP,
    MniAlignment,
    MniRegistration,
    carry_from_mni,
    carry_to_mni,
    measure_information,
)
from deepisles.preparation.prepared import PreparedCase


def turn(volume: Volume, degrees) -> Volume:
    """Turn a volume by its header alone."""
    rotation = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    direction = rotation @ np.array(volume.grid.direction).reshape(3, 3)
    origin = rotation @ np.array(volume.grid.origin_mm)
    grid = Grid(volume.grid.shape, volume.grid.spacing_mm, tuple(origin), tuple(direction.ravel()))
    return Volume(volume.array, grid)


def align(volume: Volume, flair: Volume | None = None) -> MniAlignment:
    registration = MniRegistration()
    try:
        return registration.align(PreparedCase(volume, volume, resample_to_isotropic(volume, volume), flair))
    finally:
        registration.close()


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (False, False, False)), ((2, 0, 1), (True, False, True))], ids=["plain", "other"]
)
def test_a_known_place_is_found_again_and_left_stays_left(order, flips):
    patient, from_mni = make_patient(order, flips)
    alignment = align(patient)
    points = np.concatenate([np.random.default_rng(0).uniform(-50, 50, (200, 3)), np.ones((200, 1))], axis=1)
    distance_mm = np.linalg.norm((points @ (alignment.from_mni - from_mni).T)[:, :3], axis=1)
    assert distance_mm.mean() < 3
    assert (alignment.doubt, alignment.image) == (None, "dwi")
    assert alignment.overlap > 0.95
    # a ball about the left insula in MNI space lies where the patient's is
    template = load_mni_template()
    z, y, x = np.indices(template.array.shape)
    place = (np.stack([x, y, z, np.ones_like(x)], axis=-1) @ template.grid.affine_lps.T)[..., :3]
    ball = template.with_array((np.linalg.norm(place - INSULA_MM[:3], axis=-1) < 12).astype(np.uint8))
    carried = carry_from_mni(ball, patient.grid, alignment)
    center_mm = patient.grid.to_physical_mm(np.argwhere(carried).mean(axis=0))
    assert np.linalg.norm(center_mm - (from_mni @ INSULA_MM)[:3]) < 4
    # and what is carried there comes back
    back = carry_to_mni(patient.with_array(carried), alignment, is_mask=True).array
    assert 2 * (back & ball.array).sum() / (back.sum() + ball.array.sum()) > 0.8


def test_a_brain_that_stands_on_its_head_is_doubted():
    patient, _ = make_patient()
    alignment = align(turn(patient, (180, 0, 0)))
    assert alignment.doubt is not None
    assert alignment.mutual_information < LEAST_INFORMATION or alignment.overlap < LEAST_OVERLAP


def test_the_expert_mask_of_a_real_case_lies_in_the_mca(cases, shared):
    folder = cases / "isles22-0009"
    dwi, mask = read_volume(folder / "dwi.nii.gz", "DWI"), read_volume(folder / "mask.nii.gz", "mask")
    flair = read_volume(folder / "flair.nii.gz", "FLAIR")
    # the headers lay it on well enough for this (overlap of the brains 0.96)
    laid = sitk.Resample(to_image(flair), to_image(dwi), sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    alignment = align(dwi, Volume(sitk.GetArrayFromImage(laid), dwi.grid))
    assert (alignment.doubt, alignment.image) == (None, "flair")
    for name in ("jhu_arterial_5territories_mni152_1mm.nii.gz", "ArterialAtlas136.nii.gz"):
        atlas = open_atlas(shared / "data" / "atlas" / name)
        codes = carry_from_mni(atlas.codes, dwi.grid, alignment)
        loads = measure_loads(codes, mask.array, dwi.grid.voxel_volume_ml)
        assert loads.largest[0] == "MCA"
        assert loads.loads_ml["MCA"].both > 3.0
        assert sum(load.both for load in loads.loads_ml.values()) + loads.outside_ml == pytest.approx(4.18, abs=0.05)


def test_the_template_is_nilearns():
    datasets = pytest.importorskip("nilearn.datasets")
    theirs = datasets.load_mni152_template(resolution=1)
    ours = load_mni_template()
    assert ours.array.shape == theirs.shape[::-1]
    np.testing.assert_allclose(ours.grid.affine_ras, theirs.affine, atol=1e-6)
    np.testing.assert_allclose(ours.array / ours.array.max(), theirs.get_fdata().T, atol=0.01)


def test_a_flat_image_tells_nothing_and_itself_everything():
    values = np.random.default_rng(0).normal(size=5000)
    assert measure_information(values, np.ones(5000)) == 0
    assert measure_information(values, values) == pytest.approx(np.log(32), rel=0.01)
    assert measure_information(values, -values) == pytest.approx(np.log(32), rel=0.01)
    other = np.random.default_rng(1).normal(size=5000)
    assert measure_information(values, other) < 0.15


@pytest.mark.parametrize(
    ("matrix", "overlap", "information", "words"),
    [
        (np.eye(4), LEAST_OVERLAP, LEAST_INFORMATION, None),
        (np.eye(4), LEAST_OVERLAP - 0.01, 0.2, "overlaps"),
        (np.eye(4), 0.95, LEAST_INFORMATION - 0.01, "resembles"),
        (np.diag([1, 1, 2.3, 1]), 0.95, 0.2, "distorts"),
        (np.diag([1, 1, 0.6, 1]), 0.95, 0.2, "distorts"),
        (np.diag([-1, 1, 1, 1]), 0.95, 0.2, "distorts"),
    ],
)
def test_what_is_doubted(matrix, overlap, information, words):
    doubt = MniAlignment(np.asarray(matrix, float), "dwi", overlap, information).doubt
    assert doubt is None if words is None else words in doubt
