"""An empty vote tells of members that marked a lesion."""

from __future__ import annotations

import numpy as np
import pytest

from deepisles.case.volume import Grid
from deepisles.findings.outvoted import warn_of_outvoted

GRID = Grid((10, 20, 20), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
NOTHING = np.zeros(GRID.shape, dtype=np.uint8)


def _mark(voxels: int) -> np.ndarray:
    marked = NOTHING.copy()
    marked.reshape(-1)[:voxels] = 1
    return marked


def test_members_with_a_millilitre_or_more_are_told_of_with_their_volumes() -> None:
    (told,) = warn_of_outvoted(NOTHING, {"seals": _mark(662), "nvauto": _mark(20), "swan": _mark(126)}, GRID)
    assert "SEALS marks 5.3 ml and SWAN marks 1.0 ml" in told
    assert "NVAUTO" not in told
    assert "lesion_agreement.nii.gz" in told


@pytest.mark.parametrize("voted", [0, 1])
def test_specks_and_cases_with_a_lesion_bring_no_warning(voted: int) -> None:
    members = {"seals": _mark(124), "nvauto": NOTHING, "swan": _mark(124 if not voted else 3000)}
    assert warn_of_outvoted(_mark(voted), members, GRID) == ()
