"""bundle.json: what a weights bundle holds."""

from __future__ import annotations

from math import inf
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator, with_config

from deepisles.members.member import MemberName
from deepisles.members.networks.specs import (
    PlainConvUNetSpec,
    ResUNetSpec,
    SegResNetDSSpec,
    SwinFactorizerSpec,
    TorchScriptSpec,
    UNetSkeletonSpec,
)
from deepisles.members.settings import NvautoSettings, SealsSettings, SwanSettings

MANIFEST_NAME = "bundle.json"
MANIFEST_VERSION = 1

for _described in (
    *(PlainConvUNetSpec, SegResNetDSSpec, TorchScriptSpec, ResUNetSpec, SwinFactorizerSpec, UNetSkeletonSpec),
    *(SealsSettings, NvautoSettings, SwanSettings),
):
    with_config(ConfigDict(extra="forbid"))(_described)  # as the models below do

Architecture = Annotated[
    PlainConvUNetSpec | SegResNetDSSpec | TorchScriptSpec | ResUNetSpec | SwinFactorizerSpec,
    Field(discriminator="kind"),
]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkEntry(_Model):
    """One network: its file inside the bundle, that file's digest and size, its architecture, where it came from.

    `parameters` counts learnt numbers and `size_bytes` is the file's, where they were recorded; `source` is the path of
    the original in the tree it was imported from.
    """

    file: str
    sha256: Sha256
    architecture: Architecture
    size_bytes: int | None = Field(default=None, ge=1)
    parameters: int | None = Field(default=None, ge=0)
    source: str = ""
    source_sha256: Sha256 | None = None

    @field_validator("file")
    @classmethod
    def _stay_inside(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or "\\" in value or not path.name:
            raise ValueError("a network's file lies inside the bundle")
        return value


class _Member(_Model):
    _kinds: ClassVar[tuple[str, ...]] = ()
    networks: tuple[NetworkEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_its_own_networks(self) -> Self:
        for entry in self.networks:
            if entry.architecture.kind not in self._kinds:
                raise ValueError(f"a {entry.architecture.kind} is no network of this member")
        return self


class SealsEntry(_Member):
    """SEALS: one network per fold."""

    _kinds: ClassVar[tuple[str, ...]] = ("plain-conv-unet", "torchscript")
    settings: SealsSettings

    @field_validator("settings")
    @classmethod
    def _can_be_followed(cls, value: SealsSettings) -> SealsSettings:
        _check_sizes(value.patch_size, value.spacing_mm)
        is_fine = (
            sorted(value.transpose) == [0, 1, 2]
            and len(value.mask_normalisation) == 2
            and set(value.mirror_axes) <= {0, 1, 2}
            and len(set(value.mirror_axes)) == len(value.mirror_axes)
            and 0 < value.step <= 1
            and (value.resampling == "nnunet" or value.transpose == (0, 1, 2))
        )
        if not is_fine:
            raise ValueError("the axes, the normalisation or the step cannot be followed")
        return value


class NvautoEntry(_Member):
    """NVAUTO: its networks in the order they are averaged."""

    _kinds: ClassVar[tuple[str, ...]] = ("segresnet-ds", "torchscript")
    settings: NvautoSettings

    @field_validator("settings")
    @classmethod
    def _can_be_followed(cls, value: NvautoSettings) -> NvautoSettings:
        _check_sizes(value.window, value.spacing_mm)
        _check_overlap(value.overlap)
        return value


class SwanEntry(_Member):
    """SWAN: ResU-Nets, then Swin Factorizers, in fold order."""

    _kinds: ClassVar[tuple[str, ...]] = ("res-unet", "swin-factorizer", "torchscript")
    settings: SwanSettings

    @field_validator("settings")
    @classmethod
    def _can_be_followed(cls, value: SwanSettings) -> SwanSettings:
        _check_sizes(value.window, value.spacing_mm)
        _check_overlap(value.overlap)
        return value


def _check_sizes(window: tuple[int, ...], spacing_mm: tuple[float, ...]) -> None:
    if min(window) < 1 or not all(0 < spacing < inf for spacing in spacing_mm):
        raise ValueError("a window or spacing is not positive")


def _check_overlap(overlap: float) -> None:
    if not 0 <= overlap < 1:
        raise ValueError("an overlap is not between 0 and 1")


class MemberEntries(_Model):
    """The members that the bundle has weights for."""

    seals: SealsEntry | None = None
    nvauto: NvautoEntry | None = None
    swan: SwanEntry | None = None

    def items(self) -> list[tuple[MemberName, SealsEntry | NvautoEntry | SwanEntry]]:
        """List the members that are there, in the ensemble's order."""
        entries: list[tuple[MemberName, SealsEntry | NvautoEntry | SwanEntry | None]] = [
            ("seals", self.seals),
            ("nvauto", self.nvauto),
            ("swan", self.swan),
        ]
        return [(name, entry) for name, entry in entries if entry is not None]


class Manifest(_Model):
    """A weights bundle; `is_random` stands in bundle.json only where it is true: numbers that nobody trained."""

    format: Literal["deepisles-bundle"] = "deepisles-bundle"
    version: Literal[1] = 1
    name: str
    source: str
    is_random: bool = False
    members: MemberEntries
