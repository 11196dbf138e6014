"""The rules by which members' masks become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deepisles.members.member import MemberName, Prediction

ENSEMBLE: tuple[MemberName, ...] = ("seals", "nvauto", "swan")
"""The ensemble's members, in the order in which the original falls back on them (majority_voting.py)."""


Applied = Literal["majority", "single-member", "mean-probability"]


class Rule(StrEnum):
    """How a mask is made.

    `ORIGINAL` is the original's: each voxel is lesion where more than half of the votes of all three members say so;
    when not all three answered, the first of SEALS, NVAUTO, SWAN that did is taken alone.
    `MEAN` takes the mean probability of those that answered, above one half.
    """

    ORIGINAL = "original"
    MEAN = "mean"


@dataclass(frozen=True)
class Consensus:
    """The ensemble's answer on the DWI grid, arrays (z, y, x).

    Parameters
    ----------
    mask : numpy.ndarray
        uint8 {0, 1}.
    probability : numpy.ndarray
        Weighted mean probability of the members that answered, float32.
    agreement : numpy.ndarray
        Number of members that call a voxel lesion, uint8.
    applied : str
        "majority", "single-member" or "mean-probability".
    decided_by : tuple of str
        The members whose answers the mask is made from.
    weights : dict
        Weight per member that answered.
    """

    mask: NDArray[np.uint8]
    probability: NDArray[np.float32]
    agreement: NDArray[np.uint8]
    applied: Applied
    decided_by: tuple[str, ...]
    weights: dict[str, float]


def decide(
    predictions: Mapping[str, Prediction], rule: Rule = Rule.ORIGINAL, weights: Mapping[str, float] | None = None
) -> Consensus:
    """Make one mask of the members' answers.

    Parameters
    ----------
    predictions : mapping
        Answer per member that ran; at least one.
    rule : Rule
        See there.
    weights : mapping, optional
        Weight of each member's vote and probability, 1 where absent. With weights of 1 the majority is 2 of 3.

    Raises
    ------
    ValueError
        If there is no answer, or the weights of those that answered are not all above zero.
    """
    ordered: dict[str, Prediction] = {name: predictions[name] for name in ENSEMBLE if name in predictions}
    if not ordered:
        raise ValueError("no member answered")
    weight = {name: float((weights or {}).get(name, 1.0)) for name in ordered}
    if min(weight.values()) <= 0:
        raise ValueError("the weight of a member must be above zero")
    total = sum(weight.values())
    probability = sum(prediction.probability * (weight[name] / total) for name, prediction in ordered.items())
    agreement = np.stack([prediction.mask for prediction in ordered.values()]).sum(axis=0, dtype=np.uint8)

    applied: Applied
    decided_by: tuple[str, ...] = tuple(ordered)
    mask: NDArray[np.bool_]
    if rule is Rule.MEAN and len(ordered) > 1:
        applied = "mean-probability"
        mask = np.asarray(probability) > 0.5
    elif len(ordered) == len(ENSEMBLE):
        applied = "majority"
        votes = np.sum([weight[name] * prediction.mask for name, prediction in ordered.items()], axis=0)
        mask = np.asarray(votes > total / 2)
    else:
        applied, decided_by = "single-member", decided_by[:1]
        mask = ordered[decided_by[0]].mask > 0
    return Consensus(
        mask=mask.astype(np.uint8),
        probability=np.asarray(probability, dtype=np.float32),
        agreement=agreement,
        applied=applied,
        decided_by=decided_by,
        weights=weight,
    )
