"""Profiles: how much work a case gets, and with it how near the mask is to the original's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deepisles.errors import InputRefused
from deepisles.members.effort import FULL, Effort
from deepisles.members.member import MemberName
from deepisles.options import Profile
from deepisles.preparation.registration import RegistrationMethod

LEFT_RIGHT = (2,)
"""Of SEALS' axes (z, y, x): the one that is left and right in an axial scan, along which brains look alike."""


@dataclass(frozen=True)
class Plan:
    """What a profile does.

    Parameters
    ----------
    efforts : mapping
        The members that take part, and how much of their work is done.
    registration : str
        How FLAIR is registered where the choice is "auto".
    note : str or None
        What a report says of it; None for the original's way.
    """

    efforts: Mapping[MemberName, Effort]
    registration: RegistrationMethod
    note: str | None = None


PLANS: Final[Mapping[Profile, Plan]] = {
    "exact": Plan({"seals": FULL, "nvauto": FULL, "swan": FULL}, "elastix"),
    "balanced": Plan(
        {
            "seals": Effort(mirror_axes=LEFT_RIGHT, bfloat16=True),
            "nvauto": Effort(networks=5, overlap=0.25, bfloat16=True),
            "swan": Effort(networks=4, overlap=0.25, bfloat16=True),
        },
        "rigid",
        "profile balanced: fewer networks, mirrors and windows than the original, and FLAIR registered rigidly; the "
        "mask differs a little from profile exact's (docs/performance.md)",
    ),
    "fast": Plan(
        {"seals": Effort(networks=2, mirror_axes=(), overlap=0.25, bfloat16=True)},
        "rigid",
        "profile fast: SEALS alone, with two of its networks and without mirrors; the mask differs from profile "
        "exact's (docs/performance.md)",
    ),
}
"""Their change of the mask was measured on the real cases: docs/performance.md, Profiles."""


def limit_members(profile: Profile, asked: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Limit the members that were asked for to those that take part in a profile; None for all.

    Raises
    ------
    InputRefused
        If none is left.
    """
    taking_part = PLANS[profile].efforts
    if asked is None:
        return None if len(taking_part) == len(PLANS["exact"].efforts) else tuple(taking_part)
    left = tuple(name for name in asked if name in taking_part)
    if not left:
        names = " and ".join(name.upper() for name in taking_part)
        raise InputRefused(f"The profile {profile} runs {names}, which --members leaves out: change one of the two.")
    return left
