"""What the small SEALS of `deepisles train` sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from threshold_bundle import WINDOW, make_bright_case, make_threshold_bundle, write_case
from volumes import make_volume

from deepisles.case.volume import Grid, Volume
from deepisles.members.axes_preprocessing import make_axes_input, undo_axes_resampling
from deepisles.members.member import Prediction
from deepisles.members.seals import Seals
from deepisles.members.settings import SealsSettings
from deepisles.preparation.isotropic import resample_to_isotropic
from deepisles.preparation.prepared import PreparedCase
from deepisles.training.examples import prepare_example
from deepisles.training.layout import TrainingCase
from deepisles.weights.bundle import Bundle

SETTINGS = SealsSettings(
    patch_size=WINDOW,
    spacing_mm=(2.0, 2.0, 2.0),
    transpose=(0, 1, 2),
    mask_normalisation=(True, True),
    mirror_axes=(2,),
    resampling="axes",
)


def test_segmentation_sees_what_training_saw(tmp_path):
    images, lesion = make_bright_case()
    mask = images["dwi"].with_array(lesion.astype(np.uint8))
    paths = write_case(tmp_path, images | {"mask": mask})
    example = prepare_example(TrainingCase("one", paths["dwi"], paths["adc"], paths["mask"]), 2.0)
    spacing_mm = images["dwi"].grid.spacing_mm[::-1]
    prepared = make_axes_input(images["dwi"].array, images["adc"].array, spacing_mm, SETTINGS.spacing_mm)
    # training leaves a margin around the brain, and keeps 16 bits
    inside = np.argwhere((np.asarray(example.channels[:2], dtype=np.float32) != 0).any(axis=0))
    z, y, x = (slice(first, last + 1) for first, last in zip(inside.min(axis=0), inside.max(axis=0), strict=True))
    np.testing.assert_allclose(example.channels[:2, z, y, x], prepared.array, atol=2e-3, rtol=2e-3)


def test_nothing_but_the_brain_is_normalised():
    dwi = make_volume((12, 14, 16)).array
    dwi[:2] = dwi[:, :3] = dwi[..., -4:] = 0
    prepared = make_axes_input(dwi, dwi, (2, 2, 2), (2, 2, 2))
    assert [(part.start, part.stop) for part in prepared.box] == [(2, 12), (3, 14), (0, 12)]
    np.testing.assert_allclose(prepared.array.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(prepared.array.std(axis=(1, 2, 3)), 1, atol=1e-5)


def test_an_image_of_zeros_goes_through():
    nothing = np.zeros((4, 5, 6), dtype=np.float32)
    assert make_axes_input(nothing, nothing, (2, 2, 2), (1, 1, 1)).array.shape == (2, 8, 10, 12)


def test_probabilities_come_back_to_where_they_were():
    smooth = torch.linspace(0, 1, 24).view(1, 24, 1, 1).expand(2, 24, 10, 12)
    native = undo_axes_resampling(smooth, (12, 10, 12))
    np.testing.assert_allclose(native[0, :, 0, 0], (np.arange(12) * 2 + 0.5) / 23, atol=1e-6)


def segment(seals: Seals, dwi: Volume, adc: Volume) -> Prediction:
    return seals.segment(PreparedCase(dwi, adc, resample_to_isotropic(dwi, adc)), lambda *_: None)


def test_the_last_digits_of_the_direction_do_not_matter(tmp_path):
    images, lesion = make_bright_case()
    bundle = Bundle.open(make_threshold_bundle(tmp_path / "threshold", ("seals",)))
    seals = Seals(bundle.load_networks("seals"), SETTINGS, torch.device("cpu"), "")
    upright = segment(seals, images["dwi"], images["adc"])
    assert upright.mask[lesion].all()
    assert upright.mask.mean() < 0.1

    def turn(volume: Volume, degrees: tuple[float, float, float], error: float) -> Volume:
        direction = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() + error
        grid: Grid = replace(volume.grid, direction=tuple(float(cosine) for cosine in direction.ravel()))
        return Volume(volume.array, grid)

    for error in (0.0, 1e-9, -1e-9):
        oblique = segment(seals, *(turn(images[name], (7, -4, 11), error) for name in ("dwi", "adc")))
        np.testing.assert_array_equal(oblique.probability, upright.probability)
