"""Which cases a network is trained on, and which it is validated on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from deepisles.errors import InputRefused
from deepisles.training.layout import TrainingCase
from deepisles.training.patches import DataSet

PARTS = 5
"""Parts a data set is cut into; five-fold, as the original trained."""
MOST_VALIDATION_CASES = 24
"""More cost time and change nothing."""


@dataclass(frozen=True)
class Fold:
    """One network's data."""

    training: tuple[DataSet, ...]
    validation: tuple[TrainingCase, ...]


def split(data_sets: Sequence[Sequence[TrainingCase]], number: int, folds: int, needs_flair: bool = False) -> Fold:
    """Hold a part of every data set back.

    The part of a case comes from its name, so that it stays when cases are added. Data sets of fewer cases than parts
    are trained on whole.

    Parameters
    ----------
    data_sets : sequence of sequences of TrainingCase
        All cases.
    number : int
        Which fold, from 0.
    folds : int
        How many there are.
    needs_flair : bool
        Validate only on cases with FLAIR, as those that the member will segment; those without are trained on.

    Raises
    ------
    InputRefused
        If nothing is left to validate on.
    """
    parts = max(folds, PARTS)
    training, validation = [], []
    for cases in data_sets:
        judged = [case for case in cases if case.flair is not None or not needs_flair]
        held = [case for case in judged if find_part(case.name, parts) == number] if len(cases) >= parts else []
        names = {case.name for case in held[:MOST_VALIDATION_CASES]}
        training.append(DataSet(tuple(case for case in cases if case.name not in names)))
        validation += held[:MOST_VALIDATION_CASES]
    if not validation:
        raise InputRefused(
            f"Too few cases to train and validate on: give at least {parts} in one data set"
            f"{', with FLAIR' if needs_flair else ''}."
        )
    return Fold(tuple(training), tuple(validation))


def find_part(name: str, parts: int) -> int:
    """Find which part a case belongs to, from 0; fold `number` validates on the part of that number."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % parts
