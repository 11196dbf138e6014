"""Random crops of training examples, each a function of the seed and its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.transforms import Compose
from monai.utils import convert_to_tensor
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from deepisles.training.augmentation import make_augmentation
from deepisles.training.examples import Example, load_example
from deepisles.training.layout import TrainingCase
from deepisles.training.recipes import Recipe

LESION_CENTRED_SHARE = 0.67
"""Share of the crops that show a lesion, where the case has one."""
JITTER_SHARE = 0.35
"""How far from a crop's middle, as a share of its side, the lesion voxel may lie."""


@dataclass(frozen=True)
class DataSet:
    """Cases that are drawn equally often; data sets are drawn equally often too, whatever their size."""

    cases: Sequence[TrainingCase]


class PatchStream(Dataset[dict[str, Tensor]]):
    """An endless, numbered stream of crops: number n is the same crop in every run with the same seed.

    So a run that was killed goes on exactly where it stopped.

    Parameters
    ----------
    data_sets : sequence of DataSet
        Where crops come from.
    recipe : Recipe
        Channels, crop size, axis order and spacing.
    cache : Path
        Where prepared cases lie.
    seed : int
        Source of all chance.
    length : int
        Crops of one epoch.
    """

    def __init__(self, data_sets: Sequence[DataSet], recipe: Recipe, cache: Path, seed: int, length: int) -> None:
        self.data_sets = data_sets
        self.recipe = recipe
        self.cache = cache
        self.seed = seed
        self.length = length
        self.augmentation: Compose = make_augmentation()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Make crop `number`: image float32 (channels, *axes) and label float32 (1, *axes)."""
        rng = np.random.default_rng((self.seed, number))
        cases = self.data_sets[int(rng.integers(len(self.data_sets)))].cases
        example = load_example(cases[int(rng.integers(len(cases)))], self.recipe.spacing_mm, self.cache)
        cut, drawn = crop(rng, example, self.recipe.patch_size)
        self.augmentation.set_random_state(seed=int(rng.integers(2**31)))
        made = self.augmentation({"image": torch.from_numpy(cut), "label": torch.from_numpy(drawn)[None]})
        # plain tensors: MONAI's own kind makes every operation of the network slower
        image, label = (convert_to_tensor(made[key], track_meta=False) for key in ("image", "label"))
        return arrange(image, label, self.recipe)


def crop(
    rng: np.random.Generator, example: Example, size: tuple[int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut a crop (3, z, y, x) and its label (z, y, x), centred on a lesion or anywhere in the brain.

    A random lesion is chosen first and then a voxel of it, so that small ones are seen as often as large ones.
    """
    shape = np.array(example.lesion.shape)
    lesion = np.asarray(example.lesion) > 0
    if lesion.any() and rng.random() < LESION_CENTRED_SHARE:
        labels, count = ndimage.label(lesion, structure=np.ones((3, 3, 3)))
        voxels = np.argwhere(labels == rng.integers(count) + 1)
        jitter = rng.uniform(-JITTER_SHARE, JITTER_SHARE, 3) * size
        centre = voxels[rng.integers(len(voxels))] + jitter.astype(int)
    else:
        centre = np.array([rng.integers(n) for n in shape])
    # stay inside as far as the volume is as large as the crop
    half = np.array(size) // 2
    centre = np.where(shape > size, np.clip(centre, half, shape - (np.array(size) - half)), shape // 2)
    low = centre - half
    source = tuple(slice(max(a, 0), min(a + n, m)) for a, n, m in zip(low, size, shape, strict=True))
    target = tuple(slice(part.start - a, part.stop - a) for part, a in zip(source, low, strict=True))
    image = np.zeros((example.channels.shape[0], *size), dtype=np.float32)
    label = np.zeros(size, dtype=np.float32)
    image[:, *target] = example.channels[:, *source]
    label[target] = example.lesion[source]
    return image, label


def arrange(image: Tensor, label: Tensor, recipe: Recipe) -> dict[str, Tensor]:
    """Pick a member's channels and bring (channels, z, y, x) to its axis order."""
    chosen = image[list(recipe.channels)]
    if recipe.axes == "xyz":
        chosen, label = chosen.permute(0, 3, 2, 1), label.permute(0, 3, 2, 1)
    return {"image": chosen.float().contiguous(), "label": (label > 0.5).float().contiguous()}
