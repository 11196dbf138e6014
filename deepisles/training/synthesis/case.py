"""One synthetic case from one seed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from deepisles.training.synthesis.anatomy import draw_healthy_scene
from deepisles.training.synthesis.distractors import add_distractors
from deepisles.training.synthesis.lesion_shapes import LesionShape
from deepisles.training.synthesis.real_tissue import RealTissue, heal, vary
from deepisles.training.synthesis.scanner import Acquisition, acquire
from deepisles.training.synthesis.scene import Mask, Scene
from deepisles.training.synthesis.stroke import add_stroke

LESION_FREE_SHARE = 0.2
"""One case in five shows no stroke."""
REAL_NOISE_SHARE = 0.5
"""Noise added to tissue that already has its own, as a share of what a clean scene gets."""


@dataclass(frozen=True)
class Ingredients:
    """What synthetic cases are made from, apart from chance.

    Parameters
    ----------
    shapes : tuple of LesionShape
        Lesions that experts drew; may be empty.
    tissues : tuple of RealTissue
        Real brains; may be empty.
    real_tissue_share : float
        Share of the cases whose background is one of them.
    """

    shapes: tuple[LesionShape, ...] = ()
    tissues: tuple[RealTissue, ...] = ()
    real_tissue_share: float = 0.3
    _healed: dict[int, Scene] = field(default_factory=dict, repr=False)

    def draw_healthy(self, rng: np.random.Generator) -> tuple[Scene, float]:
        """Draw a head without stroke, and how much of the usual noise it should get."""
        if self.tissues and rng.random() < self.real_tissue_share:
            number = int(rng.integers(len(self.tissues)))
            if number not in self._healed:
                self._healed[number] = heal(self.tissues[number])
            return vary(rng, self._healed[number]), REAL_NOISE_SHARE
        return draw_healthy_scene(rng), 1.0


def synthesise_case(seed: int, ingredients: Ingredients, lesion_free: bool | None = None) -> Acquisition:
    """Make one case; the same seed and ingredients give the same images to the bit.

    Parameters
    ----------
    seed : int
        Source of all chance.
    ingredients : Ingredients
        Lesion shapes and real tissue.
    lesion_free : bool, optional
        Whether the case shows no stroke; by default one in five does not.
    """
    rng = np.random.default_rng(seed)
    is_free = rng.random() < LESION_FREE_SHARE if lesion_free is None else lesion_free
    scene, noise_scale = ingredients.draw_healthy(rng)
    scene = add_distractors(rng, scene, ingredients.shapes)
    healthy_dwi = scene.dwi
    lesion: Mask = np.zeros(scene.shape, dtype=bool)
    if not is_free:
        stroke = add_stroke(rng, scene, ingredients.shapes)
        scene, lesion = stroke.scene, stroke.lesion
    return acquire(rng, scene, lesion, healthy_dwi, noise_scale)
