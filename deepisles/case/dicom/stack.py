"""Images sorted into series, and series into stacks: the slices of one volume each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deepisles.case.dicom.frame import Frame
from deepisles.errors import GeometryError

POSITION_TOLERANCE_MM: Final = 0.05
"""Slices closer than this lie at one place."""
SPACING_TOLERANCE: Final = 0.05
"""Largest relative difference of a gap between slices from the median; a missing slice doubles it."""
SHEAR_TOLERANCE: Final = 0.02
"""Largest step along a slice's plane, relative to the step to the next slice; MR scanners have no gantry to tilt."""


@dataclass(frozen=True)
class Stack:
    """The slices of one volume.

    Parameters
    ----------
    frames : tuple of Frame
        Along the normal of the slices; for a mosaic the one image that holds them all.
    """

    frames: tuple[Frame, ...] = field(repr=False)

    @property
    def first(self) -> Frame:
        """Its first slice, for what all of them share."""
        return self.frames[0]

    @property
    def slices(self) -> int:
        """Number of slices."""
        return len(self.frames) * self.first.mosaic_slices

    @property
    def is_mosaic(self) -> bool:
        """Whether all slices lie side by side in one image."""
        return self.first.mosaic_slices > 1

    @property
    def plane_size(self) -> tuple[int, int]:
        """Columns and rows of a slice; of the whole image for a mosaic."""
        return self.first.columns, self.first.rows

    @property
    def normal(self) -> NDArray[np.float64] | None:
        """Unit vector across the slices, LPS."""
        return _cross_axes(self.first)

    def lies_as(self, other: Stack) -> bool:
        """Whether both stacks have the same slices at the same places."""
        mine, others = (_list_places(stack) for stack in (self, other))
        if self.slices != other.slices or self.plane_size != other.plane_size or mine is None or others is None:
            return False
        return mine.shape == others.shape and bool(np.abs(mine - others).max() < 1.0)

    def is_parallel_to(self, other: Stack) -> bool:
        """Whether the slices of both lie within about 25 degrees of each other."""
        mine, others = self.normal, other.normal
        return mine is not None and others is not None and abs(float(mine @ others)) > 0.9


@dataclass(frozen=True)
class Series:
    """A series: what one run of the scanner, or one computation, gave.

    Parameters
    ----------
    uid : str
        Series Instance UID.
    number : int or None
        Series Number.
    stacks : tuple of Stack
        Its volumes.
    """

    uid: str
    number: int | None
    stacks: tuple[Stack, ...]

    @property
    def name(self) -> str:
        """What the series is called in messages: its number, which is nobody's name."""
        return f"series {self.number}" if self.number is not None else "a series without number"


def group_series(frames: Iterable[Frame]) -> tuple[Series, ...]:
    """Sort images into series by Series Instance UID, in the order of their numbers, and series into stacks."""
    found: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        found[frame.series_uid].append(frame)
    series = [Series(uid, own[0].series_number, _group_stacks(own)) for uid, own in found.items()]
    return tuple(sorted(series, key=lambda one: (one.number is None, one.number or 0, one.uid)))


def check_stack(stack: Stack, role: str) -> None:
    """Refuse slices that are no regular stack, which dcm2niix would resample, split or shear.

    Raises
    ------
    GeometryError
        If slices lack a place, miss a neighbour, are unevenly spaced, or are pushed sideways along the stack.
    """
    if stack.is_mosaic:
        return
    normal, places = stack.normal, _list_places(stack)
    if normal is None or places is None:
        raise GeometryError(f"The {role} slices do not say where they lie in the patient: export the series again.")
    if len(places) < 2:
        raise GeometryError(f"The {role} series holds a single slice: give the whole stack.")
    steps = np.diff(places, axis=0)
    gaps = steps @ normal
    median = float(np.median(gaps))
    if np.abs(gaps - median).max() > max(SPACING_TOLERANCE * median, POSITION_TOLERANCE_MM):
        what = "lacks slices" if gaps.max() > 1.5 * median else "has unevenly spaced slices"
        raise GeometryError(
            f"The {role} series {what} (gaps from {gaps.min():.2f} to {gaps.max():.2f} mm): export it whole, "
            "or resample it to even slices."
        )
    sideways = steps - gaps[:, None] * normal
    if np.linalg.norm(sideways, axis=1).max() > max(SHEAR_TOLERANCE * median, POSITION_TOLERANCE_MM):
        raise GeometryError(
            f"The {role} series is sheared, its slices are pushed sideways as by a tilted gantry: resample it first."
        )


def _group_stacks(frames: list[Frame]) -> tuple[Stack, ...]:
    """Sort a series' images by what tells its volumes apart, then by place."""
    groups: dict[Hashable, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[_describe_volume(frame)].append(frame)
    return tuple(stack for group in groups.values() for stack in _split_repeats(group))


def _describe_volume(frame: Frame) -> Hashable:
    """Describe what all slices of a volume share; images with another answer belong to another volume."""
    weighting = frame.weighting
    b_value = None if weighting.b_value_s_mm2 is None else round(weighting.b_value_s_mm2)
    direction = None if weighting.direction is None else tuple(round(part, 2) for part in weighting.direction)
    axes = None if frame.axes is None else tuple(round(part, 2) for part in frame.axes)
    spacing = None if frame.spacing_mm is None else tuple(round(side, 2) for side in frame.spacing_mm)
    echo = None if frame.echo_ms is None else round(frame.echo_ms)
    size = (frame.rows, frame.columns, frame.mosaic_slices)
    return (frame.words, b_value, weighting.directionality, direction, axes, spacing, echo, size, frame.is_mr_image)


def _split_repeats(frames: list[Frame]) -> list[Stack]:
    """Split images of one description into volumes: as many as there are images at every place."""
    if frames[0].mosaic_slices > 1:
        return [Stack((frame,)) for frame in sorted(frames, key=lambda frame: frame.order)]
    normal = _cross_axes(frames[0])
    if normal is None or any(frame.position_mm is None for frame in frames):
        return [Stack(tuple(sorted(frames, key=lambda frame: frame.order)))]
    heights = {id(frame): float(normal @ np.asarray(frame.position_mm)) for frame in frames}
    ordered = sorted(frames, key=lambda frame: heights[id(frame)])
    places: list[list[Frame]] = []
    for frame in ordered:
        if places and heights[id(frame)] - heights[id(places[-1][0])] < POSITION_TOLERANCE_MM:
            places[-1].append(frame)
        else:
            places.append([frame])
    repeats = {len(place) for place in places}
    if len(repeats) > 1:
        # not every place has as many images: whole volumes cannot be told apart, and the stack is refused if it is used
        return [Stack(tuple(ordered))]
    for place in places:
        place.sort(key=lambda frame: frame.order)
    return [Stack(tuple(place[repeat] for place in places)) for repeat in range(repeats.pop())]


def _cross_axes(frame: Frame) -> NDArray[np.float64] | None:
    if frame.axes is None:
        return None
    normal = np.cross(frame.axes[:3], frame.axes[3:])
    length = float(np.linalg.norm(normal))
    return np.asarray(normal / length, dtype=np.float64) if length > 0.5 else None


def _list_places(stack: Stack) -> NDArray[np.float64] | None:
    positions = [frame.position_mm for frame in stack.frames if frame.position_mm is not None]
    return np.array(positions, dtype=np.float64) if len(positions) == len(stack.frames) else None
