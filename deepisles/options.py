"""How a case is to be segmented: the choices that every front end offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from deepisles.errors import InputRefused
from deepisles.reports.picture_choice import PictureChoice

MEMBERS = ("seals", "nvauto", "swan")
Registration = Literal["auto", "elastix", "rigid", "none"]
BrainExtractionMode = Literal["auto", "on", "off"]
TerritoryMode = Literal["auto", "off"]
Profile = Literal["exact", "balanced", "fast"]
ConsensusRule = Literal["original", "mean"]
DicomOutput = Literal["off", "source", "derived"]

REGISTRATION_HELP: Final = (
    "elastix: as the original; rigid: FLAIR turned and moved, not bent; none: it lies on the DWI's grid already; "
    "auto: elastix in profile exact, rigid in the others"
)
PROFILE_HELP: Final = "exact: the original's masks; balanced, fast: less work, other masks"


@dataclass(frozen=True)
class SegmentOptions:
    """The options of `deepisles segment`, input and output aside.

    Parameters
    ----------
    weights : Path, optional
        A bundle or the published tree; by default the first place of the search order.
    members : tuple of str, optional
        Which members run; by default all that the weights have.
    device : str
        "auto", "cpu" or "cuda:0".
    profile : str
        "exact": the original's masks; "balanced" and "fast": other ones, sooner (`deepisles.profiles`).
    registration : str
        "elastix" registers FLAIR to DWI as the original does, "rigid" turns and moves it only, "none" takes it as
        already lying on the DWI's grid; "auto" is what the profile has: "elastix" in "exact", "rigid" in the others.
    brain_extraction : str
        "auto" strips the images that show more than the brain, "on" all, "off" none.
    territory : str
        "auto" names the vascular territory where an atlas is installed, "off" does not.
    atlas : Path, optional
        Atlas of arterial territories instead of the installed one: its file or folder.
    mni : bool
        Write images, mask and transforms in MNI152 space too.
    consensus : str
        "original" (2 of 3; the first of SEALS, NVAUTO, SWAN alone where not all answered) or "mean".
    vote_weights : mapping
        Weight per member, 1 where absent.
    allow_degraded : bool
        Let the others vote when a member fails.
    save_members : bool
        Write each member's mask and probability too.
    dicom_output : str
        "source" writes a DICOM segmentation and measurements on the DWI's own series, "derived" on a series made of it.
    dicom_probability : bool
        With DICOM output, write the probability as DICOM too.
    pictures : str
        How much is drawn: "viewer", "static" (report.html without its viewer) or "none".
    debug : bool
        Show tracebacks and debug messages.
    """

    weights: Path | None = None
    members: tuple[str, ...] | None = None
    device: str = "auto"
    profile: Profile = "exact"
    registration: Registration = "auto"
    brain_extraction: BrainExtractionMode = "auto"
    territory: TerritoryMode = "auto"
    atlas: Path | None = None
    mni: bool = False
    consensus: ConsensusRule = "original"
    vote_weights: Mapping[str, float] = field(default_factory=dict)
    allow_degraded: bool = False
    save_members: bool = False
    dicom_output: DicomOutput = "off"
    dicom_probability: bool = False
    pictures: PictureChoice = "viewer"
    debug: bool = False


def parse_members(text: str) -> tuple[str, ...]:
    """Read "seals,nvauto,swan" or a part of it.

    Raises
    ------
    InputRefused
        If a name is unknown, or there is none.
    """
    names = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    unknown = [name for name in names if name not in MEMBERS]
    if unknown or not names:
        raise InputRefused(f"--members takes some of {','.join(MEMBERS)}, not {text!r}.")
    return tuple(name for name in MEMBERS if name in names)


def parse_vote_weights(text: str) -> dict[str, float]:
    """Read "seals=2,swan=0.5": a weight above zero for some of the members.

    Raises
    ------
    InputRefused
        If it is anything else.
    """
    weights: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = part.partition("=")
        try:
            weight = float(value)
        except ValueError:
            weight = float("nan")
        if name.strip().lower() not in MEMBERS or not 0 < weight < float("inf"):
            raise InputRefused(f"--vote-weights takes member=weight pairs with weights above zero, not {part!r}.")
        weights[name.strip().lower()] = weight
    return weights
