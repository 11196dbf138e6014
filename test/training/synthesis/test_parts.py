"""Single steps of the synthesis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from deepisles.errors import InputRefused
from deepisles.training.synthesis.anatomy import CORTEX_DEPTH_MM, draw_healthy_scene, fold_cortex, sharpen
from deepisles.training.synthesis.deformation import draw_positions, widen_ventricles
from deepisles.training.synthesis.distractors import add_pile_up, add_shine_through
from deepisles.training.synthesis.lesion_shapes import add_ball, draw_expert_shape, load_lesion_shapes
from deepisles.training.synthesis.noise import draw_smooth_field
from deepisles.training.synthesis.real_tissue import RealTissue, heal, vary
from deepisles.training.synthesis.scanner import acquire, add_rician_noise, drop_faint
from deepisles.training.synthesis.scene import Scene
from deepisles.training.synthesis.stroke import SPREAD_LIMITS, draw_strength, even_out, restrict_diffusion
from deepisles.training.synthesis.tissue_maps import load_tissue_maps


@pytest.fixture(scope="module")
def scene() -> Scene:
    return draw_healthy_scene(np.random.default_rng(5))


def test_smooth_fields_are_smooth_and_standardised() -> None:
    fine = draw_smooth_field(np.random.default_rng(0), (40, 50, 60), 4.0)
    coarse = draw_smooth_field(np.random.default_rng(0), (40, 50, 60), 40.0)
    for field in (fine, coarse):
        assert field.shape == (40, 50, 60)
        assert abs(field.mean()) < 1e-3
        assert field.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(coarse, axis=1)).mean() < np.abs(np.diff(fine, axis=1)).mean() / 3


def test_tissue_shares_fill_the_brain_and_nothing_else() -> None:
    whole = load_tissue_maps().shares.sum(axis=0)
    assert whole.min() >= 0
    assert whole.max() == pytest.approx(1, abs=1e-5)
    assert 1.7e6 < whole.sum() * 8 < 2.1e6  # mm3, the template's brain


def test_tissue_maps_know_left_from_right_and_front_from_back() -> None:
    maps = load_tissue_maps()
    # a point in each frontal pole, in the splenium, and outside
    places = np.array([[-30, 45, 20], [30, 45, 20], [0, -38, 14], [0, 110, 0]], dtype=np.float32).T.reshape(3, 4, 1, 1)
    grey, white, fluid = maps.sample(places)[:, :, 0, 0]
    assert ((grey + white + fluid)[:2] > 0.9).all()
    assert white[2] > 0.5
    assert grey[3] == white[3] == fluid[3] == 0


def test_larger_ventricles_show_more_fluid() -> None:
    position = draw_positions(np.random.default_rng(1))
    fluid = [load_tissue_maps().sample(widen_ventricles(position, amount))[2] for amount in (-0.2, 0.0, 0.4)]
    middle = (slice(30, 55), slice(30, 70), slice(25, 55))
    small, usual, large = (part[middle].sum() for part in fluid)
    assert small < usual < large


def test_sharpening_keeps_the_sum() -> None:
    shares = np.random.default_rng(0).dirichlet((1, 1, 1), size=(3, 4, 5)).transpose(3, 0, 1, 2).astype(np.float32)
    sharper = sharpen(shares, 2.0)
    assert np.allclose(sharper.sum(axis=0), shares.sum(axis=0), atol=1e-5)
    assert sharper.max(axis=0).mean() > shares.max(axis=0).mean()


def test_sulci_are_thin_and_near_the_surface_and_tissue_stays_whole() -> None:
    shape = (60, 60, 60)
    distance = np.linalg.norm(np.indices(shape) - 29.5, axis=0)
    depth_mm = np.maximum(27 - distance, 0).astype(np.float32) * 2
    brain = depth_mm > 0
    shares = np.stack([0.3 * brain, 0.7 * brain, 0.0 * brain]).astype(np.float32)
    volumes = []
    for seed in range(8):
        folded = fold_cortex(np.random.default_rng(seed), shares, depth_mm)
        assert folded.min() >= 0
        assert np.allclose(folded.sum(axis=0), shares.sum(axis=0), atol=1e-5)
        fluid = folded[2] > 0.5
        assert depth_mm[fluid].max(initial=0) < 1.5 * CORTEX_DEPTH_MM
        # sheets: no ball of 10 mm fits in
        assert not ndimage.binary_erosion(fluid, iterations=3).any()
        volumes.append(fluid.sum() / brain.sum())
    assert 0.01 < np.median(volumes) < 0.2


def test_expert_shapes_keep_their_place_and_size(shape_folder: Path, scene: Scene) -> None:
    shapes = load_lesion_shapes(shape_folder)
    assert len(shapes) == 1  # the empty mask is left out
    for seed in range(6):
        field = draw_expert_shape(np.random.default_rng(seed), shapes, scene)
        where = field > 0.5
        volume_ml = where.sum() * 8 / 1000
        assert 14.4 * 0.35 < volume_ml < 14.4 * 2.5
        centre = scene.position_mm[:, where].mean(axis=1)
        # on either side; moved by chance
        assert np.linalg.norm(np.abs(centre) - np.abs([-32.0, -8.0, 22.0])) < 22


@pytest.mark.parametrize("what", ["nothing", "text"])
def test_shapes_that_cannot_be_used_are_refused(tmp_path: Path, what: str) -> None:
    if what == "text":
        (tmp_path / "a.nii.gz").write_text("no image")
    with pytest.raises(InputRefused, match="lesion mask"):
        load_lesion_shapes(tmp_path)


def test_a_ball_has_its_radius() -> None:
    field = np.zeros((40, 40, 40), dtype=np.float32)
    add_ball(field, np.array([20, 20, 20]), 10.0, np.ones(3))
    assert (field > 0.5).sum() * 8 == pytest.approx(4 / 3 * np.pi * 10**3, rel=0.08)
    add_ball(field, np.array([0, 39, 0]), 6.0, np.ones(3))  # over the edge
    assert field[0, 39, 0] == 1


def test_a_stroke_changes_tissue_only_where_it_is(scene: Scene) -> None:
    lesion = np.zeros(scene.shape, dtype=bool)
    lesion[36:44, 40:50, 50:60] = True
    lesion &= scene.parenchyma > 0.5
    struck = restrict_diffusion(np.random.default_rng(3), scene, lesion, lesion)
    far = ~ndimage.binary_dilation(lesion, np.ones((3, 3, 3)), iterations=6)
    assert np.array_equal(struck.adc_1e6_mm2_s[far], scene.adc_1e6_mm2_s[far])
    core = ndimage.binary_erosion(lesion & (scene.parenchyma > 0.8), iterations=1)
    assert (struck.adc_1e6_mm2_s[core] < scene.adc_1e6_mm2_s[core]).mean() > 0.99
    assert struck.dwi[core].mean() > 1.05 * scene.dwi[core].mean()


def test_small_lesions_are_hit_as_hard_as_large_ones() -> None:
    field = np.zeros((60, 60, 60), dtype=np.float32)
    for place in np.ndindex(3, 3, 3):
        add_ball(field, np.array(place) * 20 + 10, 3.0 if sum(place) % 2 else 14.0, np.ones(3))
    lesion = field > 0.5
    labels, count = ndimage.label(lesion, np.ones((3, 3, 3)))
    assert count == 27
    rng = np.random.default_rng(4)
    strength = even_out(rng, draw_strength(rng, lesion), lesion)
    means = ndimage.mean(strength, labels, np.arange(1, count + 1))
    small = ndimage.sum_labels(lesion, labels, np.arange(1, count + 1)) < 100
    assert np.median(means[small]) == pytest.approx(np.median(means[~small]), rel=0.3)
    assert means.min() > 0.9 * SPREAD_LIMITS[0]
    assert means.max() < 1.1 * SPREAD_LIMITS[1]
    # edges are blurred, and far from every lesion nothing is hit
    distance = ndimage.distance_transform_edt(~lesion)
    assert 0.05 < strength[distance == 1].mean() < 0.6
    assert not strength[distance > 7].any()


def test_no_lesion_nothing_hit() -> None:
    nowhere = np.zeros((9, 9, 9), dtype=bool)
    rng = np.random.default_rng(0)
    assert not even_out(rng, draw_strength(rng, nowhere), nowhere).any()


def test_piled_up_signal_is_bright_and_lies_at_the_brains_edge(scene: Scene) -> None:
    brightest = 0.0
    for seed in range(6):
        piled = add_pile_up(np.random.default_rng(seed), scene)
        ratio = piled.b0 / np.maximum(scene.b0, 1e-6)
        changed = ratio > 1.01
        assert scene.depth_mm[changed].max(initial=0) < 10
        assert not changed[~scene.brain].any()
        # low on the base of the skull, and a small part of the brain
        assert scene.position_mm[2][changed].max(initial=-99) < 40
        assert changed.sum() < 0.08 * scene.brain.sum()
        brightest = max(brightest, float(ratio.max()))
    assert brightest > 3


def test_shine_through_is_bright_without_restriction(scene: Scene) -> None:
    for seed in range(6):
        shining = add_shine_through(np.random.default_rng(seed), scene)
        clear = shining.b0 > 1.2 * scene.b0
        assert clear.any()
        assert (shining.adc_1e6_mm2_s[clear] > 1.03 * scene.adc_1e6_mm2_s[clear]).all()


def test_what_nobody_could_see_is_not_drawn() -> None:
    rng = np.random.default_rng(0)
    brain = np.ones((16, 32, 32), dtype=bool)
    drawn = np.zeros_like(brain)
    seen, faint, speck, lost = (slice(2, 5),) * 3, (slice(2, 5), slice(20, 24), slice(4, 8)), (8, 8, 8), (
        slice(10, 13), slice(22, 26), slice(22, 26),
    )  # fmt: skip
    for place in (seen, faint, speck, lost):
        drawn[place] = True
    healthy = rng.normal(100, 10, brain.shape).astype(np.float32)
    # as bright as a lesion is, but only as bright as what lies around it
    healthy[lost] -= 25
    stroke = np.zeros_like(healthy)
    stroke[seen], stroke[faint], stroke[speck], stroke[lost] = 25, 1, 50, 25
    kept = drop_faint(drawn, healthy + stroke, healthy, brain)
    expected = np.zeros_like(brain)
    expected[seen] = True
    assert np.array_equal(kept, expected)


def test_a_stroke_without_surroundings_is_drawn() -> None:
    drawn = np.zeros((4, 6, 6), dtype=bool)
    drawn[:, :4] = True
    healthy = np.full(drawn.shape, 100, dtype=np.float32)
    # the only other voxels are next to it or outside the brain
    brain = np.zeros_like(drawn)
    brain[:, :5] = True
    assert np.array_equal(drop_faint(drawn, healthy + 50 * drawn, healthy, brain), drawn)


def test_noise_is_rician() -> None:
    rng = np.random.default_rng(0)
    empty = add_rician_noise(rng, np.zeros((40, 40, 40), dtype=np.float32), 2.0)
    assert empty.min() >= 0
    assert empty.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.02)  # a Rayleigh distribution's
    bright = add_rician_noise(rng, np.full((40, 40, 40), 100, dtype=np.float32), 2.0)
    assert bright.std() == pytest.approx(2.0, rel=0.03)


def test_a_real_lesion_is_healed_from_the_other_side(scene: Scene) -> None:
    brain = scene.brain
    lesion = np.zeros(scene.shape, dtype=bool)
    box = (slice(38, 46), slice(44, 54), slice(18, 26))
    lesion[box] = True
    dwi, adc = scene.dwi.copy(), scene.adc_1e6_mm2_s.copy()
    dwi[lesion] *= 3
    adc[lesion] *= 0.4
    healed = heal(RealTissue(dwi, adc, None, brain, lesion))
    assert healed.dwi[box].mean() < 1.4 * scene.dwi[box].mean()
    assert healed.adc_1e6_mm2_s[box].mean() > 0.7 * scene.adc_1e6_mm2_s[box].mean()
    assert healed.flair is None
    # positions run as the scene's do
    middle = np.array(scene.shape) // 2
    assert healed.position_mm[0, middle[0], middle[1], 60] > healed.position_mm[0, middle[0], middle[1], 20]
    varied = vary(np.random.default_rng(0), healed)
    assert varied.brain.sum() == pytest.approx(brain.sum(), rel=0.35)
    images = acquire(np.random.default_rng(1), varied, np.zeros(varied.shape, dtype=bool), varied.dwi, 0.5)
    assert images.flair is None
    assert not images.lesion.any()
