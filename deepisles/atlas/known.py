"""The atlas files that are known: what their labels mean, and where one can be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from deepisles.findings.territory import Side, Territory

Labels = Literal["jhu-level-1", "five-territories"]
"""What the numbers in an atlas file mean."""
LICENCE: Final = "CC BY-SA 4.0"
CITATION: Final = (
    "C.-F. Liu et al., Digital 3D Brain MRI Arterial Territories Atlas, Scientific Data 10, 74 (2023), "
    "doi 10.1038/s41597-022-01923-0"
)

_JHU_LEVEL_1_PAIRS: Final[tuple[tuple[Territory, tuple[int, ...]], ...]] = (
    ("ACA", (1, 3)),
    ("MCA", (5, 7, 9, 11, 13, 15)),
    ("PCA", (17, 19, 21, 23)),
    ("pons-medulla", (25,)),
    ("cerebellum", (27, 29)),
)
"""The left one of each pair, the right one being the next number; 31 and 32, the ventricles, are no territory."""
_FIRST_LEFT: Final[tuple[tuple[int, Side], ...]] = ((0, "left"), (1, "right"))
MEANINGS: Final[Mapping[Labels, Mapping[int, tuple[Territory, Side | None]]]] = {
    "jhu-level-1": {
        left + step: (territory, side)
        for territory, lefts in _JHU_LEVEL_1_PAIRS
        for left in lefts
        for step, side in _FIRST_LEFT
    },
    "five-territories": {
        1: ("MCA", None),
        2: ("ACA", None),
        3: ("PCA", None),
        4: ("cerebellum", None),
        5: ("pons-medulla", None),
    },
}
"""Territory and side per label; where an atlas does not tell sides, MNI's x axis does."""
HIGHEST_LABEL: Final[Mapping[Labels, int]] = {"jhu-level-1": 32, "five-territories": 5}


@dataclass(frozen=True)
class KnownAtlas:
    """An atlas file that is known by its digest.

    Parameters
    ----------
    name : str
        As the report writes it.
    sha256 : str
        Digest of the file.
    labels : str
        What its numbers mean.
    address : str, optional
        Where it can be downloaded.
    """

    name: str
    sha256: str
    labels: Labels
    address: str | None = None


PUBLISHED: Final = KnownAtlas(
    name="JHU arterial atlas, 30 territories, 157 x 189 x 136",
    sha256="eede82c58229c08b7576e514be259ccd41b597cec7347e1dbd84037fb706ca1b",
    labels="jhu-level-1",
    address=(
        "https://raw.githubusercontent.com/neurolabusc/StrokeOutcomeOptimizationProjectDemo/"
        "45f40a9631bba7ef18914b36d52c28eff50a8151/NIfTI/ArterialAtlas136.nii.gz"
    ),
)
"""What `deepisles atlas fetch` gets. Its field of view ends at z = -50 mm: low cerebellum and medulla are missing."""
KNOWN: Final = (
    PUBLISHED,
    KnownAtlas(
        name="JHU arterial atlas, 5 territories, 182 x 218 x 182",
        sha256="3558b4d46ff6897a7390635fcb07b74ad606dfc6c9c17c948eed0d704653897d",
        labels="five-territories",
    ),
)


def find_known(sha256: str) -> KnownAtlas | None:
    """Find a known atlas by its digest, or None."""
    return next((atlas for atlas in KNOWN if atlas.sha256 == sha256), None)
