"""What the random changes of crops do to images and labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from deepisles.training.augmentation import make_augmentation
from deepisles.training.bright_artefacts import RandEdgeSpots
from deepisles.training.examples import ADC, DWI, FLAIR

CROPS = 60


def change_crops() -> Iterator[tuple[Tensor, Tensor]]:
    """Change one crop many times: a brain of noise whose lesion is bright on DWI, dark on ADC."""
    chain = make_augmentation()
    torch.manual_seed(0)
    image = torch.randn(3, 24, 24, 24)
    label = torch.zeros(1, 24, 24, 24)
    label[:, 8:16, 8:16, 8:16] = 1
    image[DWI][label[0] > 0] += 6
    image[ADC][label[0] > 0] -= 6
    for seed in range(CROPS):
        chain.set_random_state(seed=seed)
        changed = chain({"image": image.clone(), "label": label.clone()})
        yield changed["image"], changed["label"]


def test_the_label_stays_on_its_lesion() -> None:
    for image, label in change_crops():
        inside = label[0] > 0.5
        assert 8**3 * 0.5 < inside.sum() < 8**3 * 2
        assert image[DWI][inside].mean() > image[DWI][~inside].mean() + 2
        assert image[ADC][inside].mean() < image[ADC][~inside].mean() - 2


def test_flair_is_away_in_a_third_and_the_others_never() -> None:
    """Without FLAIR a crop looks as a case without FLAIR does: that channel is all 0."""
    images = [image for image, _ in change_crops()]
    assert 0.2 < sum(not image[FLAIR].any() for image in images) / CROPS < 0.5
    assert all(image[DWI].any() and image[ADC].any() for image in images)


def test_spots_at_the_edge_look_like_artefacts_and_hide_no_lesion() -> None:
    """Bright on DWI, not dark on ADC, near the edge, nowhere outside and not on the lesion."""
    shape = (40, 40, 40)
    radius = np.sqrt(((np.indices(shape) - 19.5) ** 2).sum(axis=0))
    brain = torch.from_numpy(radius < 18)
    image = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) * brain
    label = torch.zeros(1, *shape)
    label[:, 14:26, 14:26, 2:12] = brain[14:26, 14:26, 2:12].float()
    spots = RandEdgeSpots(1.0)
    depths = []
    for seed in range(20):
        spots.set_random_state(seed=seed)
        changed = spots({"image": image, "label": label})
        rise = changed["image"] - image
        assert torch.equal(changed["label"], label)
        assert rise[DWI].max() > 1
        assert rise[DWI].min() >= 0
        assert rise[ADC].min() >= 0
        assert rise[ADC].max() < 0.5 * rise[DWI].max()
        assert not rise[FLAIR].any()
        assert not rise[:, ~brain].any()
        assert not rise[:, label[0] > 0].any()
        depths.append(18 - radius[(rise[DWI] > 1).numpy()].mean())
    assert np.mean(depths) < 5


def test_a_crop_without_an_edge_gets_no_spots() -> None:
    image, label = torch.ones(3, 16, 16, 16), torch.zeros(1, 16, 16, 16)
    changed = RandEdgeSpots(1.0)({"image": image, "label": label})
    assert torch.equal(changed["image"], image)
