"""Every image below a folder, in plain values; pixels are not looked at."""

from __future__ import annotations

import logging
import struct
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
)

from deepisles.case.dicom.files import is_dicom, list_files
from deepisles.case.dicom.frame import Frame
from deepisles.case.dicom.quiet import quiet_pydicom
from deepisles.case.dicom.values import (
    get_item,
    get_numbers,
    get_private,
    get_text,
    get_whole,
    get_words,
    to_numbers,
    to_vector,
)
from deepisles.case.dicom.weighting import read_weighting
from deepisles.errors import InputRefused

logger = logging.getLogger(__name__)

MAX_FILES: Final = 50_000
MAX_FRAMES: Final = 200_000
MR_IMAGES: Final = (MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)

DAMAGED: Final = (
    InvalidDicomError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, NotImplementedError,
    EOFError, OverflowError, RecursionError, struct.error,
)  # fmt: skip
"""What damaged files make pydicom raise; few of them are its own."""


@dataclass(frozen=True)
class Scan:
    """What lies below a folder.

    Parameters
    ----------
    frames : tuple of Frame
        Every image, each once.
    other_files : int
        Files that are not DICOM, or a DICOMDIR.
    unreadable_files : int
        DICOM files that are damaged or deflated.
    """

    frames: tuple[Frame, ...]
    other_files: int
    unreadable_files: int


def scan_folder(place: Path, role: str) -> Scan:
    """Read the tags of every image below a folder.

    Parameters
    ----------
    place : Path
        A folder, or one DICOM file.
    role : str
        What is looked for, for messages: "DWI".

    Raises
    ------
    InputRefused
        If there is no DICOM, or more than a study can have.
    """
    frames: dict[Hashable, Frame] = {}
    others = unreadable = 0
    for count, path in enumerate([place] if place.is_file() else list_files(place), 1):
        if count > MAX_FILES or len(frames) > MAX_FRAMES:
            raise InputRefused(f"The {role} folder holds more files than a study does: give the folder of one study.")
        if not is_dicom(path):
            others += 1
            continue
        try:
            with quiet_pydicom():
                found = read_frames(path)
        except DAMAGED as error:
            # the file's name may be the patient's
            logger.debug("a DICOM file was left out: %s", type(error).__name__)
            unreadable += 1
            continue
        if found is None:
            others += 1
            continue
        for frame in found:
            # some anonymisers give all images one UID, so that it alone does not say that a file is a copy
            frames.setdefault((frame.instance_uid, frame.position_mm, frame.order, frame.weighting), frame)
    if not frames:
        what = "only damaged DICOM files" if unreadable else "no DICOM image"
        raise InputRefused(f"The {role} folder holds {what}: give the scanner's images, or export them again.")
    return Scan(tuple(frames.values()), others, unreadable)


def read_frames(path: Path) -> list[Frame] | None:
    """Read the images of one file; None for a DICOMDIR, which is a table of contents.

    Raises
    ------
    ValueError
        If the file is deflated, so that a small one may unpack to any size, or lacks its identity.
    Exception
        One of many where the file is damaged.
    """
    meta = read_file_meta_info(path)
    if meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise ValueError("deflated")
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if not groups:
        return [_read_frame(path, None, dataset, [dataset])]
    shared = get_item(dataset, "SharedFunctionalGroupsSequence")
    return [_read_frame(path, index, dataset, [group, shared, dataset]) for index, group in enumerate(groups)]


def _read_frame(path: Path, index: int | None, dataset: Dataset, places: list[Dataset]) -> Frame:
    """Read one image; `places` are where its elements may be, its own functional groups first."""
    manufacturer = get_text(dataset, "Manufacturer")
    vendor = _name_vendor(manufacturer)
    spacing = _find_numbers(places, "PixelMeasuresSequence", "PixelSpacing", 2)
    position = _find_numbers(places, "PlanePositionSequence", "ImagePositionPatient", 3)
    echo = _find_numbers(places, "MREchoSequence", "EffectiveEchoTime", 1) or get_numbers(dataset, "EchoTime")
    inversion = _find_numbers(places, "MRModifierSequence", "InversionTimes", 1) or get_numbers(
        dataset, "InversionTime"
    )
    temporal = _find_numbers(places, "FrameContentSequence", "TemporalPositionIndex", 1)
    number = index if index is not None else get_whole(dataset, "InstanceNumber") or 0
    slope = _find_numbers(places, "PixelValueTransformationSequence", "RescaleSlope", 1)
    frame_type = next((words for place in places if (words := _read_frame_type(place))), ())
    return Frame(
        path=path,
        index=index,
        instance_uid=str(dataset.SOPInstanceUID),
        series_uid=str(dataset.SeriesInstanceUID),
        study_uid=get_text(dataset, "StudyInstanceUID"),
        series_number=get_whole(dataset, "SeriesNumber"),
        patient=get_text(dataset, "PatientID"),
        description=get_text(dataset, "SeriesDescription"),
        protocol=get_text(dataset, "ProtocolName"),
        sequence=get_text(dataset, "SequenceName") or get_text(dataset, "PulseSequenceName"),
        is_mr_image=dataset.get("SOPClassUID") in MR_IMAGES and get_whole(dataset, "SamplesPerPixel") in (1, None),
        vendor=vendor,
        words=frame_type or get_words(dataset, "ImageType"),
        rows=get_whole(dataset, "Rows") or 0,
        columns=get_whole(dataset, "Columns") or 0,
        spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        position_mm=to_vector(position),
        axes=_find_numbers(places, "PlaneOrientationSequence", "ImageOrientationPatient", 6) or None,
        mosaic_slices=_count_mosaic_slices(dataset),
        weighting=read_weighting(places + [_find_philips_item(place) for place in places], vendor),
        echo_ms=echo[0] if echo else None,
        inversion_ms=inversion[0] if inversion else None,
        scale=(*slope, *_find_numbers(places, "PixelValueTransformationSequence", "RescaleIntercept", 1)),
        has_contrast=bool(get_text(dataset, "ContrastBolusAgent") or dataset.get("ContrastBolusAgentSequence")),
        order=(round(temporal[0]) if temporal else 0, number),
    )


def _name_vendor(manufacturer: str) -> str:
    known = {"SIEMENS": "siemens", "PHILIPS": "philips", "TOSHIBA": "canon", "CANON": "canon"}
    for word, vendor in known.items():
        if word in manufacturer:
            return vendor
    return "ge" if manufacturer.startswith("GE") else "other"


def _find_numbers(places: list[Dataset], group: str, keyword: str, count: int) -> tuple[float, ...]:
    """Find an element in a functional group, or at the top of a classic image."""
    for place in places:
        for dataset in (get_item(place, group), place):
            numbers = get_numbers(dataset, keyword)
            if len(numbers) == count:
                return numbers
    return ()


def _read_frame_type(place: Dataset) -> tuple[str, ...]:
    return get_words(get_item(place, "MRImageFrameTypeSequence"), "FrameType")


def _find_philips_item(place: Dataset) -> Dataset:
    """Find the item in which Philips repeats a frame's classic and private elements."""
    value = get_private(place, 0x2005, "Philips MR Imaging DD 005", 0x0F)
    return next((item for item in value if isinstance(item, Dataset)), Dataset()) if value else Dataset()


def _count_mosaic_slices(dataset: Dataset) -> int:
    if "MOSAIC" not in get_words(dataset, "ImageType"):
        return 1
    count = to_numbers(get_private(dataset, 0x0019, "SIEMENS MR HEADER", 0x0A), "H")
    return max(1, round(count[0])) if count else 1
