"""DWI, ADC and FLAIR among what was found, by the rules of docs/dicom.md or as the user says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from deepisles.case.b_values import MAX_B_S_MM2, MIN_B_S_MM2, TARGET_B_S_MM2
from deepisles.case.dicom.diffusion import can_average
from deepisles.case.dicom.kinds import Finding, Kind, describe_series
from deepisles.case.dicom.record import How
from deepisles.case.dicom.stack import Series, Stack
from deepisles.errors import InputRefused

MAX_LISTED: Final = 12

ONLY_VOLUME: Final = "the only volume given for it, its tags do not say what it shows"


@dataclass(frozen=True)
class Volume:
    """A volume and what it was taken for."""

    series: Series
    stack: Stack = field(repr=False)
    finding: Finding

    @property
    def description(self) -> str:
        """Describe it in numbers and this program's words."""
        columns, rows = self.stack.plane_size
        b_value = self.finding.b_value_s_mm2
        weighting = "" if b_value is None or self.finding.kind is Kind.UNWEIGHTED else f" at b {b_value:.0f}"
        return f"{self.finding.kind.value}{weighting}, {self.stack.slices} slices of {columns} x {rows}"


@dataclass(frozen=True)
class Pick:
    """What an image is made from.

    Parameters
    ----------
    volumes : tuple of Volume
        One; for a trace made of directions, all of these; for a computed ADC, the one at b 0 and those of the DWI.
    how : str
        "volume", "geometric-mean" or "b0-and-dwi".
    is_told : bool
        Whether the user named the series.
    """

    volumes: tuple[Volume, ...]
    how: How = "volume"
    is_told: bool = False

    @property
    def series(self) -> Series:
        """The series of its first volume."""
        return self.volumes[0].series

    @property
    def first(self) -> Volume:
        """Its first volume."""
        return self.volumes[0]


def list_volumes(series: Sequence[Series]) -> tuple[Volume, ...]:
    """Say of every volume of every series what it shows."""
    return tuple(Volume(one, stack, finding) for one in series for stack, finding in describe_series(one))


def take_only_volume(volumes: Sequence[Volume], kind: Kind) -> tuple[Volume, ...]:
    """Take the one volume of a place that was given for an image, where its tags do not say what it is.

    Anonymisers and some exports leave nothing to tell by. A volume whose tags say that it is something else stays that.
    """
    unknown = [volume for volume in volumes if volume.finding.kind is Kind.UNKNOWN]
    if len(unknown) != 1 or any(volume.finding.kind not in (Kind.UNKNOWN, Kind.OTHER) for volume in volumes):
        return tuple(volumes)
    return (replace(unknown[0], finding=Finding(kind, ONLY_VOLUME)),)


def pick_dwi(volumes: Sequence[Volume], wanted: str | None) -> Pick:
    """Pick the DWI: the trace whose b-value is nearest 1000, else one that can be made of directions.

    Raises
    ------
    InputRefused
        If there is none, it cannot be told, or two are equally good.
    """
    own = _take_series(volumes, wanted, "DWI")
    picks = _list_traces(own)
    if not picks and wanted is not None:
        picks = _take_only_volume(own)
    if not picks:
        raise InputRefused(_explain_missing_dwi(own))
    good = [pick for pick in picks if wanted is not None or _is_usable_b(pick)]
    if not good:
        found = ", ".join(sorted({f"{pick.first.finding.b_value_s_mm2:.0f}" for pick in picks}))
        raise InputRefused(
            f"The DICOM holds DWI at b {found} only, and the networks know b {TARGET_B_S_MM2:.0f}: give a series "
            f"between b {MIN_B_S_MM2:.0f} and {MAX_B_S_MM2:.0f}, or name one with --dwi-series."
        )
    return _choose(good, _rank_dwi, "DWI", wanted)


def pick_adc(volumes: Sequence[Volume], wanted: str | None, dwi: Pick | None) -> Pick | None:
    """Pick the ADC map: the DWI's own series first, then one on the DWI's grid; None if there is none.

    Raises
    ------
    InputRefused
        If two are equally good, or the named series has none.
    """
    own = _take_series(volumes, wanted, "ADC")
    picks = [Pick((volume,)) for volume in own if volume.finding.kind is Kind.ADC]
    if not picks and wanted is not None:
        picks = _take_only_volume(own)
        if not picks:
            raise _refuse_named("ADC", own)

    def rank(pick: Pick) -> tuple[float, ...]:
        if dwi is None:
            return (pick.first.finding.is_secondary,)
        other_series = pick.series.uid != dwi.series.uid
        return other_series, not pick.first.stack.lies_as(dwi.first.stack), pick.first.finding.is_secondary

    return _choose(picks, rank, "ADC", wanted) if picks else None


def pick_unweighted(volumes: Sequence[Volume], dwi: Pick) -> Volume | None:
    """Pick the b 0 volume from which, with the DWI, an ADC map can be computed; None if there is none.

    Raises
    ------
    InputRefused
        If two series are equally good.
    """
    picks = [
        Pick((volume,))
        for volume in volumes
        if volume.finding.kind is Kind.UNWEIGHTED and volume.stack.lies_as(dwi.first.stack)
    ]
    own = [pick for pick in picks if pick.series.uid == dwi.series.uid]
    # b 0 repeated in one series is one image taken again, and any of them will do
    picks = own[:1] or picks
    return _choose(picks, lambda _: (), "b 0", None).first if picks else None


def pick_flair(volumes: Sequence[Volume], wanted: str | None, dwi: Pick | None) -> Pick | None:
    """Pick the FLAIR: parallel to the DWI first, without contrast agent, original; None if there is none.

    Raises
    ------
    InputRefused
        If two are equally good, or the named series has none.
    """
    own = _take_series(volumes, wanted, "FLAIR")
    picks = [Pick((volume,)) for volume in own if volume.finding.kind is Kind.FLAIR]
    if not picks and wanted is not None:
        picks = _take_only_volume(own)
        if not picks:
            raise _refuse_named("FLAIR", own)

    def rank(pick: Pick) -> tuple[float, ...]:
        slanted = dwi is not None and not pick.first.stack.is_parallel_to(dwi.first.stack)
        return slanted, pick.first.stack.first.has_contrast, pick.first.finding.is_secondary

    return _choose(picks, rank, "FLAIR", wanted) if picks else None


def _take_series(volumes: Sequence[Volume], wanted: str | None, role: str) -> list[Volume]:
    """Take the volumes of the series that the user names, all where none is named."""
    if wanted is None:
        return list(volumes)
    name = wanted.strip()
    own = [volume for volume in volumes if name in (volume.series.uid, str(volume.series.number))]
    if not own:
        numbers = sorted({volume.series.number for volume in volumes if volume.series.number is not None})
        listed = ", ".join(str(number) for number in numbers[:MAX_LISTED]) or "none that has a number"
        raise InputRefused(f"There is no series {name} for the {role} in the DICOM: it holds the series {listed}.")
    if len({volume.series.uid for volume in own}) > 1:
        raise InputRefused(f"Two series have the number {name}: name the {role} by its Series Instance UID.")
    return own


def _take_only_volume(own: Sequence[Volume]) -> list[Pick]:
    """Take what a series that the user names holds, where it is one volume."""
    return [Pick((own[0],))] if len(own) == 1 and own[0].stack.first.is_mr_image else []


def _list_traces(volumes: Sequence[Volume]) -> list[Pick]:
    picks = [Pick((volume,)) for volume in volumes if volume.finding.kind is Kind.TRACE]
    groups: dict[tuple[str, int], list[Volume]] = defaultdict(list)
    for volume in volumes:
        if volume.finding.kind in (Kind.WEIGHTED, Kind.DIRECTION):
            groups[volume.series.uid, round(volume.finding.b_value_s_mm2 or 0)].append(volume)
    for group in groups.values():
        silent = [volume for volume in group if volume.finding.kind is Kind.WEIGHTED]
        directions = [volume for volume in group if volume.finding.kind is Kind.DIRECTION]
        if len(silent) == 1 and not directions:
            (volume,) = silent
            reason = f"the only volume of its series at its b-value, {volume.finding.reason}"
            picks.append(Pick((replace(volume, finding=replace(volume.finding, kind=Kind.TRACE, reason=reason)),)))
        elif not silent and can_average([volume.stack for volume in directions]):
            picks.append(Pick(tuple(directions), "geometric-mean"))
    return picks


def _is_usable_b(pick: Pick) -> bool:
    b_value = pick.first.finding.b_value_s_mm2
    return b_value is None or MIN_B_S_MM2 <= b_value <= MAX_B_S_MM2


def _rank_dwi(pick: Pick) -> tuple[float, ...]:
    """Rank by b-value, the scanner's trace before one made here, images before what was computed from them."""
    b_value = pick.first.finding.b_value_s_mm2
    if b_value is None:
        return (float("inf"),)
    return round(abs(b_value - TARGET_B_S_MM2), -1), pick.how != "volume", pick.first.finding.is_secondary


def _choose(picks: Sequence[Pick], rank: Callable[[Pick], tuple[float, ...]], role: str, wanted: str | None) -> Pick:
    best = min(rank(pick) for pick in picks)
    equals = [pick for pick in picks if rank(pick) == best]
    if len(equals) > 1:
        raise _refuse_ambiguous(equals, role)
    return replace(equals[0], is_told=wanted is not None)


def _refuse_ambiguous(picks: Sequence[Pick], role: str) -> InputRefused:
    listed = "; ".join(f"{pick.series.name} ({pick.first.description})" for pick in picks[:MAX_LISTED])
    if len({pick.series.uid for pick in picks}) == 1:
        return InputRefused(
            f"One series holds {len(picks)} volumes that may be the {role}, {listed}: give a folder with one of them."
        )
    if role == "b 0":
        advice = "give the ADC map"
    else:
        option = f"--{role.lower()}-series"
        advice = f"name one with {option}" + (f", or leave it out with {option} none" if role == "FLAIR" else "")
    return InputRefused(f"{len(picks)} series may be the {role}, {listed}: {advice}.")


def _refuse_named(role: str, own: Sequence[Volume]) -> InputRefused:
    return InputRefused(
        f"The series named for the {role} holds {len(own)} volumes, none of which is told to be one: name another."
    )


def _explain_missing_dwi(volumes: Sequence[Volume]) -> str:
    kinds = {volume.finding.kind for volume in volumes}
    if Kind.DIRECTION in kinds:
        return (
            "The DICOM holds single diffusion directions that do not cover all axes evenly, and no trace: export the "
            "trace (isotropic) images at b about 1000."
        )
    if Kind.WEIGHTED in kinds:
        return (
            "The DICOM holds several diffusion-weighted volumes at one b-value without saying which is the trace: "
            "export the trace (isotropic) images at b about 1000."
        )
    return (
        "The DICOM holds no diffusion-weighted series: give the folder with the trace images at b about 1000, or name "
        "the series with --dwi-series."
    )
