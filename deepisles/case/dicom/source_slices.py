"""The DICOM slices of a volume without their pixels: what a segmentation of it refers to and lies on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.valuerep import DA, TM

from deepisles.case.dicom.quiet import quiet_pydicom
from deepisles.case.dicom.reading import DAMAGED
from deepisles.case.dicom.stack import Stack
from deepisles.errors import InputRefused

IDENTITY: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
NEVER_ABSENT: Final = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
"""Elements of the patient and the study that may be empty but not absent (type 2); anonymisers remove them."""
SEXES: Final = ("M", "F", "O", "")
DERIVED_INSTEAD: Final = "ask for a derived series (--dicom-output derived), or leave the DICOM output out"


@dataclass(frozen=True)
class SourceSlices:
    """The slices of one volume, in the order in which they lie.

    Parameters
    ----------
    headers : tuple of Dataset
        One per slice; for a multi-frame file one, reduced to the volume's frames. They hold patient data, which belong
        into DICOM of the same study and nowhere else.
    frame_numbers : tuple of int or None
        Of a multi-frame file: each slice's frame in the file, from 1.
    series_number : int or None
        Series Number.
    shape : tuple of int
        Slices, rows, columns.
    corners_mm : numpy.ndarray
        (slices, 3): centre of each slice's first voxel, LPS (x, y, z).
    row_step_mm, column_step_mm : numpy.ndarray
        Step to the next row and to the next column, LPS.
    """

    headers: tuple[Dataset, ...] = field(repr=False)
    frame_numbers: tuple[int, ...] | None
    series_number: int | None
    shape: tuple[int, int, int]
    corners_mm: NDArray[np.float64] = field(repr=False)
    row_step_mm: NDArray[np.float64]
    column_step_mm: NDArray[np.float64]


def read_source_slices(stack: Stack) -> SourceSlices:
    """Read the headers of a volume's slices, which may be gone later.

    Parameters
    ----------
    stack : Stack
        A regular one, as `check_stack` lets through.

    Raises
    ------
    InputRefused
        If a segmentation cannot refer to the slices: a mosaic, several multi-frame files, missing or repeated UIDs.
    """
    if stack.is_mosaic:
        raise _refuse("is a Siemens mosaic, whose slices are no images of their own")
    paths = list(dict.fromkeys(frame.path for frame in stack.frames))
    is_multiframe = stack.first.index is not None
    if is_multiframe and len(paths) > 1:
        raise _refuse("is spread over several multi-frame files")
    try:
        with quiet_pydicom():
            headers = tuple(_complete(pydicom.dcmread(path, stop_before_pixels=True)) for path in paths)
    except DAMAGED as error:
        raise InputRefused("The DWI series is damaged and cannot be read: export it again.") from error
    if any(not header.get(keyword) for header in headers for keyword in IDENTITY):
        raise _refuse("lacks a Study, Series, Instance or Frame of Reference UID")
    if len({header.SOPInstanceUID for header in headers}) < len(headers):
        raise _refuse("gives several images the same UID")
    slices = _place(stack, headers)
    if is_multiframe:
        _reduce_frames(headers[0], slices)
    else:
        for index, header in enumerate(headers):
            write_position(header, slices, index)
            write_shared_geometry(header, header, slices)
    return slices


def _place(stack: Stack, headers: tuple[Dataset, ...]) -> SourceSlices:
    first = stack.first
    if first.axes is None or first.spacing_mm is None:
        raise _refuse("does not say where its slices lie")
    between_rows, between_columns = first.spacing_mm
    indices = [frame.index for frame in stack.frames if frame.index is not None]
    return SourceSlices(
        headers=headers,
        frame_numbers=tuple(index + 1 for index in indices) or None,
        series_number=first.series_number,
        shape=(len(stack.frames), first.rows, first.columns),
        corners_mm=np.array([frame.position_mm for frame in stack.frames], dtype=np.float64),
        row_step_mm=np.array(first.axes[3:]) * between_rows,
        column_step_mm=np.array(first.axes[:3]) * between_columns,
    )


def _complete(header: Dataset) -> Dataset:
    """Empty what the standard does not allow, so that the rest can be carried over."""
    for keyword in NEVER_ABSENT:
        if keyword not in header:
            setattr(header, keyword, None)
    if str(header.PatientSex or "") not in SEXES:
        header.PatientSex = None
    for keyword, kind in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
        try:
            kind(header.get(keyword))
        except (ValueError, TypeError):
            setattr(header, keyword, None)
    return header


def _reduce_frames(header: Dataset, slices: SourceSlices) -> None:
    """Leave a multi-frame header the volume's frames, with the place of each and what they share."""
    positions = [Dataset() for _ in range(slices.shape[0])]
    groups = [Dataset() for _ in positions]
    for index, (position, group) in enumerate(zip(positions, groups, strict=True)):
        write_position(position, slices, index)
        group.PlanePositionSequence = DicomSequence([position])
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    write_shared_geometry(measures, orientation, slices)
    shared.PixelMeasuresSequence = DicomSequence([measures])
    shared.PlaneOrientationSequence = DicomSequence([orientation])
    header.SharedFunctionalGroupsSequence = DicomSequence([shared])
    header.PerFrameFunctionalGroupsSequence = DicomSequence(groups)
    header.NumberOfFrames = len(groups)


def write_position(target: Dataset, slices: SourceSlices, index: int) -> None:
    """Write where a slice lies."""
    target.ImagePositionPatient = [as_decimal(mm) for mm in slices.corners_mm[index]]


def write_shared_geometry(measures: Dataset, orientation: Dataset, slices: SourceSlices) -> None:
    """Write what all slices of a volume share, rounding dust aside: voxel size, measured spacing and direction."""
    between_rows, between_columns = (
        float(np.linalg.norm(step)) for step in (slices.row_step_mm, slices.column_step_mm)
    )
    gap = float(np.median(np.linalg.norm(np.diff(slices.corners_mm, axis=0), axis=1)))
    axes = (*(slices.column_step_mm / between_columns), *(slices.row_step_mm / between_rows))
    orientation.ImageOrientationPatient = [as_decimal(cosine) for cosine in axes]
    measures.PixelSpacing = [as_decimal(between_rows), as_decimal(between_columns)]
    measures.SpacingBetweenSlices = as_decimal(gap)
    if not measures.get("SliceThickness"):
        measures.SliceThickness = as_decimal(gap)


def as_decimal(number: float) -> str:
    """Write a number in the 16 characters of a decimal string (PS3.5 6.2), to 1e-10 at most."""
    return f"{round(number, 10) + 0.0:.10g}"


def _refuse(what: str) -> InputRefused:
    return InputRefused(f"The segmentation cannot lie on the DWI's DICOM: the series {what}; {DERIVED_INSTEAD}.")
