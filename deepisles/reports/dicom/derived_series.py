"""A DWI that did not come as DICOM as a new MR series of nobody's, for a segmentation to lie on."""

from __future__ import annotations

import datetime
from copy import deepcopy
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from deepisles.case.dicom.source_slices import SourceSlices, write_position, write_shared_geometry
from deepisles.case.volume import Grid, Volume
from deepisles.reports.axial_view import find_axial_view
from deepisles.reports.build import NOTICE
from deepisles.reports.dicom.origin import MANUFACTURER, MODEL, Origin, make_uid

SERIES_NUMBER: Final = 1
SERIES_NAME: Final = "DeepISLES DWI (derived)"
PERSON: Final = "Anonymous^Case"
LARGEST: Final = 32767
WINDOW_PERCENTILES: Final = (1.0, 99.5)


def derive_slices(dwi: Volume, origin: Origin) -> SourceSlices:
    """Make axial MR images of a DWI: no patient, a study and a frame of reference of their own, pixels included.

    Parameters
    ----------
    dwi : Volume
        As the members saw it. Slices come as radiologists look at them; voxels are reordered, never resampled. Whole
        numbers of 16 bits stay as they are; others, which have no unit in a DWI, are scaled to these.
    origin : Origin
        Who makes them.
    """
    view = find_axial_view(dwi.grid)
    pixels = np.ascontiguousarray(_to_whole_numbers(view.apply(dwi.array)))
    identity = {name: make_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}
    shared = _describe_series(origin, identity, pixels)
    corners_mm, row_step_mm, column_step_mm = _place(dwi.grid, view.axes, view.flips)
    slices = SourceSlices(
        headers=tuple(_copy(shared) for _ in pixels),
        frame_numbers=None,
        series_number=SERIES_NUMBER,
        shape=(pixels.shape[0], pixels.shape[1], pixels.shape[2]),
        corners_mm=corners_mm,
        row_step_mm=row_step_mm,
        column_step_mm=column_step_mm,
    )
    for index, header in enumerate(slices.headers):
        header.SOPInstanceUID = UID(make_uid())
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.InstanceNumber = index + 1
        write_position(header, slices, index)
        write_shared_geometry(header, header, slices)
        header.PixelData = pixels[index].tobytes()
    return slices


def _place(
    grid: Grid, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Say where the slices of a view begin, and its steps to the next row and column."""
    first = np.zeros(3)
    steps = np.zeros((3, 3))
    for number, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        steps[number, axis] = -1 if flip else 1
        first[axis] = grid.shape[axis] - 1 if flip else 0
    corner = grid.to_physical_mm(first)
    up, down, across = (grid.to_physical_mm(first + step) - corner for step in steps)
    return corner + np.arange(grid.shape[axes[0]])[:, None] * up, down, across


def _to_whole_numbers(array: NDArray[Any]) -> NDArray[np.int16]:
    largest = float(np.abs(array).max())
    if largest <= LARGEST and np.array_equal(array, np.round(array)):
        return array.astype("<i2")
    return np.round(array.astype(np.float64) * (LARGEST / largest)).astype("<i2")


def _describe_series(origin: Origin, identity: dict[str, str], pixels: NDArray[np.int16]) -> Dataset:
    now = datetime.datetime.now()
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    low, high = (float(level) for level in np.percentile(pixels, WINDOW_PERCENTILES))
    shared = Dataset()
    values: dict[str, Any] = {
        "SOPClassUID": MRImageStorage,
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["DERIVED", "SECONDARY", "OTHER"],
        **identity,
        **{"PatientName": PERSON, "PatientID": make_uid()[-12:], "PatientBirthDate": "", "PatientSex": ""},
        **{"PatientIdentityRemoved": "YES", "DeidentificationMethod": "Made from an image file without patient data"},
        **{"StudyDate": date, "StudyTime": time, "StudyID": "1", "AccessionNumber": "", "ReferringPhysicianName": ""},
        **{"Modality": "MR", "SeriesNumber": SERIES_NUMBER, "SeriesDescription": SERIES_NAME},
        **{
            "SeriesDate": date,
            "SeriesTime": time,
            "ContentDate": date,
            "ContentTime": time,
            "BodyPartExamined": "BRAIN",
        },
        **{"Manufacturer": MANUFACTURER, "ManufacturerModelName": MODEL, "DeviceSerialNumber": origin.serial_number},
        "SoftwareVersions": list(filter(None, (origin.version, origin.revision))),
        **{"ContentQualification": "RESEARCH", "DerivationDescription": NOTICE, "BurnedInAnnotation": "NO"},
        "PositionReferenceIndicator": "",
        # how an image file was acquired is not known: research mode, and nothing where that is allowed
        **{"ScanningSequence": "RM", "SequenceVariant": "NONE", "ScanOptions": "", "MRAcquisitionType": ""},
        **{"RepetitionTime": None, "EchoTime": None, "EchoTrainLength": None, "PatientPosition": ""},
        **{"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 1},
        **{"Rows": pixels.shape[1], "Columns": pixels.shape[2]},
        **{"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15},
        **{"WindowCenter": f"{(low + high) / 2:.6g}", "WindowWidth": f"{max(high - low, 1):.6g}"},
    }
    for keyword, value in values.items():
        setattr(shared, keyword, value)
    return shared


def _copy(shared: Dataset) -> Dataset:
    header = deepcopy(shared)
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = MRImageStorage
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return header
