"""What the random changes of crops do to images and labels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from deepisles.training.augmentation import make_augmentation
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
