"""Speeds as they were measured, a JSON file each, and whether a new one is slower."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepisles.errors import InputRefused
from deepisles.members.member import MemberName

SLOWER = 0.2
"""Share from which on a slow-down is worth a warning."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Timed(_Model):
    """One case and the calibration beside it: the mean of that before and that after."""

    calibration_seconds: float = Field(gt=0)
    members: dict[MemberName, float]
    case_seconds: float

    @property
    def ratio(self) -> float:
        """The members' time as a multiple of the calibration's."""
        return sum(self.members.values()) / self.calibration_seconds


class SpeedEntry(_Model):
    """What was measured, of which code, where."""

    format: Literal["deepisles-speed"] = "deepisles-speed"
    version: Literal[1] = 1
    date: str = Field(description="UTC, ISO 8601")
    revision: str
    device: str = Field(description="kind of device: a GPU's model, or the CPU's instructions")
    torch: str
    python: str
    threads: int = Field(ge=1)
    bundle: str = Field(description="digest")
    bundle_name: str
    networks: int
    profile: str
    case_shape_zyx: tuple[int, int, int]
    case_spacing_mm: tuple[float, float, float] = Field(description="along (x, y, z)")
    timed: tuple[Timed, ...]
    ratio: float = Field(gt=0, description="median of the members' time as a multiple of the calibration's")

    def describe(self) -> str:
        """Say it in one line."""
        calibration = median(each.calibration_seconds for each in self.timed)
        members = median(sum(each.members.values()) for each in self.timed)
        return (
            f"{self.device}, {self.threads} thread(s), {self.bundle_name}: members {members:.2f} s, "
            f"calibration {calibration:.2f} s, median ratio {self.ratio:.3f}"
        )

    def is_comparable(self, other: SpeedEntry) -> bool:
        """Whether both did the same work on the same kind of device."""
        keys = ("device", "bundle", "networks", "profile", "case_shape_zyx", "case_spacing_mm")
        return all(getattr(self, key) == getattr(other, key) for key in keys)


@dataclass(frozen=True)
class Verdict:
    """A new speed beside the newest comparable one.

    Parameters
    ----------
    earlier : SpeedEntry or None
        That one; None where there is none.
    slowdown : float or None
        How much longer the new one takes, as a share: 0.23 is 23 % slower, below zero is faster.
    """

    earlier: SpeedEntry | None
    slowdown: float | None

    def describe(self) -> str:
        """Say it in one line, which begins with "warning:" where it is slower by `SLOWER` or more."""
        if self.earlier is None or self.slowdown is None:
            return "the history holds nothing that was measured on this kind of device with these weights"
        revision = shorten_revision(self.earlier.revision)
        if self.slowdown >= SLOWER:
            return f"warning: {self.slowdown:.0%} slower than {revision}".replace("%", " %")
        word = "slower" if self.slowdown > 0 else "faster"
        return f"{abs(self.slowdown):.0%} {word} than {revision}".replace("%", " %")


def write_entry(entry: SpeedEntry, folder: Path) -> Path:
    """Write an entry to the history: <UTC date and time>-<short revision>-<device>.json."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = re.sub(r"\+.*|[-:]", "", entry.date) + "Z"
    device = re.sub(r"[^a-z0-9]+", "-", entry.device.lower()).strip("-")
    path = folder / f"{moment}-{shorten_revision(entry.revision)}-{device}.json"
    path.write_text(entry.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def read_history(folder: Path) -> list[SpeedEntry]:
    """Read a history, oldest first; an absent folder is an empty one.

    Raises
    ------
    InputRefused
        If a file in it is none of its entries.
    """
    entries: list[SpeedEntry] = []
    for path in sorted(folder.glob("*.json")):
        try:
            entries.append(SpeedEntry.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise InputRefused(f"{path.name} is no entry of the speed history: remove or measure it again.") from error
    return sorted(entries, key=lambda entry: entry.date)


def judge(entry: SpeedEntry, history: Sequence[SpeedEntry]) -> Verdict:
    """Compare a speed with the newest comparable one."""
    comparable = [earlier for earlier in history if entry.is_comparable(earlier)]
    if not comparable:
        return Verdict(None, None)
    return Verdict(comparable[-1], entry.ratio / comparable[-1].ratio - 1)


def shorten_revision(revision: str) -> str:
    """Take the first seven digits, as git does."""
    return revision[:7]
