"""DICOM Segmentation objects: the lesions as binary segments, and the probability as a fractional one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import highdicom as hd
import numpy as np
from numpy.typing import NDArray

from deepisles.case.dicom.source_slices import SourceSlices
from deepisles.reports.build import NOTICE
from deepisles.reports.dicom.origin import Origin, make_uid
from deepisles.reports.dicom.terms import ABNORMAL_STRUCTURE, BRAIN, INFARCT
from deepisles.reports.overview import OUTLINE_COLOUR

SEGMENTATION_NAME: Final = "DeepISLES lesion segmentation"
PROBABILITY_NAME: Final = "DeepISLES lesion probability"


@dataclass(frozen=True)
class TrackedLesion:
    """A lesion's number, and the identifiers by which segmentation and measurements name the same one."""

    label: int
    uid: str

    @property
    def name(self) -> str:
        """What viewers show."""
        return f"Lesion {self.label}"


def track_lesions(labels: Sequence[int]) -> tuple[TrackedLesion, ...]:
    """Give lesions new identifiers."""
    return tuple(TrackedLesion(label, make_uid()) for label in labels)


def build_segmentation(
    slices: SourceSlices, labels: NDArray[Any], lesions: Sequence[TrackedLesion], origin: Origin
) -> hd.seg.Segmentation:
    """Build the segmentation: one binary segment per lesion.

    Viewers list segments, colour and jump to them one by one, and the measurements refer to one each; who wants all
    lesions together shows all segments.

    Parameters
    ----------
    slices : SourceSlices
        What it refers to.
    labels : numpy.ndarray
        (slice, row, column): lesion numbers from 1, as `lesions` has them, 0 elsewhere.
    lesions : sequence of TrackedLesion
        At least one; a segmentation without segment is none (PS3.3 C.8.20.2).
    origin : Origin
        Who made it.
    """
    segments = [_describe_segment(lesion.label, lesion.name, origin, lesion.uid) for lesion in lesions]
    kind = np.uint8 if len(lesions) <= np.iinfo(np.uint8).max else np.uint16
    return _build(
        slices, labels.astype(kind), segments, hd.seg.SegmentationTypeValues.BINARY, "LESIONS",
        origin.make_series(slices.series_number, 1, SEGMENTATION_NAME),
    )  # fmt: skip


def build_probability(slices: SourceSlices, probability: NDArray[Any], origin: Origin) -> hd.seg.Segmentation:
    """Build the fractional segmentation: the ensemble's probability (slice, row, column) in steps of 1/255."""
    segments = [_describe_segment(1, "Probability of infarct", origin, make_uid())]
    return _build(
        slices, np.clip(probability, 0, 1).astype(np.float32), segments,
        hd.seg.SegmentationTypeValues.FRACTIONAL, "PROBABILITY",
        origin.make_series(slices.series_number, 3, PROBABILITY_NAME),
    )  # fmt: skip


def _describe_segment(number: int, name: str, origin: Origin, uid: str) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=ABNORMAL_STRUCTURE,
        segmented_property_type=INFARCT,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=origin.identify_algorithm(),
        tracking_uid=uid,
        tracking_id=name,
        anatomic_regions=[BRAIN],
        display_color=hd.color.CIELabColor.from_string(OUTLINE_COLOUR),
    )


def _build(
    slices: SourceSlices,
    pixels: NDArray[Any],
    segments: Sequence[hd.seg.SegmentDescription],
    kind: hd.seg.SegmentationTypeValues,
    label: str,
    series: dict[str, Any],
) -> hd.seg.Segmentation:
    built = hd.seg.Segmentation(
        source_images=slices.headers,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=segments,
        content_label=label,
        content_description=NOTICE,
        **series,
    )
    _repeat_segment(built)
    if slices.frame_numbers is not None:
        _name_frames(built, slices.frame_numbers)
    return built


def _repeat_segment(built: hd.seg.Segmentation) -> None:
    """Say of each frame which segment it shows; highdicom says it once for all where there is one segment.

    Both are allowed (PS3.3 C.7.6.16.1.1); readers that look at the frames alone would find none.
    """
    shared = built.SharedFunctionalGroupsSequence[0]
    if "SegmentIdentificationSequence" in shared:
        for group in built.PerFrameFunctionalGroupsSequence:
            group.SegmentIdentificationSequence = shared.SegmentIdentificationSequence
        del shared.SegmentIdentificationSequence


def _name_frames(built: hd.seg.Segmentation, frame_numbers: tuple[int, ...]) -> None:
    """Refer to the frames by their numbers in the file; the header that was given holds this volume's only."""
    for group in built.PerFrameFunctionalGroupsSequence:
        for derivation in group.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                source.ReferencedFrameNumber = frame_numbers[source.ReferencedFrameNumber - 1]
