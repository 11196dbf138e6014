"""DICOM as the four vendors write it, made of volumes: classic files, multi-frame files and Siemens mosaics."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from deepisles.case.volume import Grid, Volume

PATIENT = "Doe^Jane"
"""In every text element that can hold it: it must be in no report, log or file name."""
STUDY = generate_uid()
FRAME_OF_REFERENCE = generate_uid()
MANUFACTURERS = {
    "siemens": "SIEMENS",
    "ge": "GE MEDICAL SYSTEMS",
    "philips": "Philips Medical Systems",
    "canon": "CANON_MEC",
    "other": "Acme",
}


@dataclass
class SeriesTags:
    """What a series' tags say."""

    number: int = 1
    vendor: str = "siemens"
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "M", "ND")
    description: str = ""
    sequence: str = ""
    echo_ms: float = 90.0
    inversion_ms: float | None = None
    study: str = STUDY
    patient: str = "4711"
    uid: str = field(default_factory=generate_uid)
    extra: dict[str, object] = field(default_factory=dict)


@dataclass
class Diffusion:
    """A volume's weighting; `where` is "standard", "private", "csa", "sequence" or "comment"."""

    b_value: float | None = None
    direction: tuple[float, float, float] | None = None
    is_trace: bool = False
    where: str = "private"


def as_scanner(volume: Volume) -> Volume:
    """Turn rows so that they run from front to back, as scanners write axial images; the picture stays the same."""
    grid = volume.grid
    axes = np.array(grid.direction).reshape(3, 3)
    if axes[1, 1] > 0:
        return volume
    origin = grid.to_physical_mm(np.array([0, grid.shape[1] - 1, 0]))
    axes[:, 1] *= -1
    flipped = Grid(grid.shape, grid.spacing_mm, tuple(map(float, origin)), tuple(map(float, axes.ravel())))
    return Volume(volume.array[:, ::-1].copy(), flipped)


def encode(array):
    """Store an array in whole numbers of 16 bits, 0 as 0: the numbers, slope and intercept."""
    low, high = float(array.min()), float(array.max())
    limit, kind = (32767, np.int16) if low < 0 else (65535, np.uint16)
    if np.array_equal(array, np.round(array)) and -limit <= low <= high <= limit:
        return array.astype(kind), 1.0, 0.0
    # rounded as the file stores it, and up, so that the largest value fits
    slope = float(f"{max(-low, high) / limit * (1 + 1e-7):.8g}")
    return np.round(array / slope).astype(kind), slope, 0.0


def write_classic(
    folder: Path, volume: Volume, tags: SeriesTags, diffusion: Diffusion | None = None, first=1, name="IM"
):
    """Write one file per slice, as single-frame MR images without a suffix; `first` is the first instance number."""
    folder.mkdir(parents=True, exist_ok=True)
    scanned = as_scanner(volume)
    stored, slope, intercept = encode(scanned.array)
    paths = []
    for index in range(len(stored)):
        dataset = _start(tags, MRImageStorage)
        _place(dataset, scanned.grid, index)
        dataset.InstanceNumber = first + index
        dataset.EchoTime, dataset.InversionTime = tags.echo_ms, tags.inversion_ms
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = f"{slope:.8g}", f"{intercept:.8g}", "US"
        if diffusion is not None:
            add_diffusion(dataset, diffusion, tags.vendor)
        _set_pixels(dataset, stored[index])
        paths.append(_save(dataset, folder / f"{name}{first + index:04d}"))
    return paths


def write_enhanced(path: Path, volumes: list[tuple[Volume, Diffusion | None]], tags: SeriesTags, frame_types=None):
    """Write one multi-frame file with the slices of all volumes, slice by slice as scanners sort them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scanned = [as_scanner(volume) for volume, _ in volumes]
    stored = [encode(volume.array) for volume in scanned]
    dataset = _start(tags, EnhancedMRImageStorage)
    frames, groups = [], []
    for index in range(scanned[0].grid.shape[0]):
        for number, (volume, (pixels, slope, intercept)) in enumerate(zip(scanned, stored, strict=True)):
            group = _make_groups(volume.grid, index, tags, slope, intercept)
            group.FrameContentSequence = Sequence([Dataset()])
            group.FrameContentSequence[0].DimensionIndexValues = [1, index + 1, number + 1]
            group.FrameContentSequence[0].TemporalPositionIndex = 1
            if volumes[number][1] is not None:
                add_diffusion(group, volumes[number][1], tags.vendor, is_enhanced=True)
            kind = Dataset()
            kind.FrameType = list((frame_types or {}).get(number, tags.image_type))
            group.MRImageFrameTypeSequence = Sequence([kind])
            frames.append(pixels[index])
            groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    dataset.NumberOfFrames = len(frames)
    _set_pixels(dataset, np.stack(frames))
    return _save(dataset, path)


def write_mosaic(path: Path, volume: Volume, tags: SeriesTags, diffusion: Diffusion | None = None):
    """Write a volume as one Siemens mosaic, its slices side by side, described by the CSA header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scanned = as_scanner(volume)
    stored, slope, intercept = encode(scanned.array)
    slices, rows, columns = stored.shape
    side = int(np.ceil(np.sqrt(slices)))
    picture = np.zeros((side * rows, side * columns), stored.dtype)
    for index in range(slices):
        y, x = divmod(index, side)
        picture[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns] = stored[index]
    dataset = _start(tags, MRImageStorage)
    dataset.ImageType = [*tags.image_type, "MOSAIC"]
    _place(dataset, scanned.grid, 0)
    axes = np.array(scanned.grid.direction).reshape(3, 3)
    spacing = np.array(scanned.grid.spacing_mm)
    # the corner is that of the whole picture laid over the first slice's centre (dcm2niix, Siemens notes)
    centre = scanned.grid.to_physical_mm(np.array([0, (rows - 1) / 2 + 0.5, (columns - 1) / 2 + 0.5]))
    corner = centre - axes[:, 0] * spacing[0] * side * columns / 2 - axes[:, 1] * spacing[1] * side * rows / 2
    dataset.ImagePositionPatient = [f"{value:.10g}" for value in corner]
    dataset.InstanceNumber = 1
    dataset.EchoTime = tags.echo_ms
    dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:.8g}", f"{intercept:.8g}"
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US", slices)
    block.add_new(0x0B, "FD", [float(index) for index in range(slices)])
    if diffusion is not None:
        add_diffusion(dataset, diffusion, "siemens")
    csa = {
        "NumberOfImagesInMosaic": ("US", [str(slices)]),
        "SliceNormalVector": ("FD", [f"{v:.8f}" for v in axes[:, 2]]),
    }
    dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", make_csa(csa))
    _set_pixels(dataset, picture)
    return _save(dataset, path)


def write_screenshot(path: Path, tags: SeriesTags):
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = _start(tags, SecondaryCaptureImageStorage)
    dataset.InstanceNumber = 1
    _set_pixels(dataset, np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    return _save(dataset, path)


def write_dicomdir(path: Path):
    dataset = _start(SeriesTags(), MediaStorageDirectoryStorage)
    return _save(dataset, path)


def add_diffusion(place: Dataset, diffusion: Diffusion, vendor: str, is_enhanced: bool = False) -> None:
    """Write a weighting where a vendor does."""
    b_value, direction = diffusion.b_value, diffusion.direction
    if diffusion.where == "standard" or is_enhanced:
        group = Dataset()
        if b_value is not None:
            group.DiffusionBValue = float(b_value)
            unweighted = "NONE" if b_value == 0 else "DIRECTIONAL"
            group.DiffusionDirectionality = "ISOTROPIC" if diffusion.is_trace else unweighted
        if direction is not None:
            gradient = Dataset()
            gradient.DiffusionGradientOrientation = list(direction)
            group.DiffusionGradientDirectionSequence = Sequence([gradient])
        if is_enhanced:
            place.MRDiffusionSequence = Sequence([group])
        else:
            place.update(group)
        return
    if diffusion.where == "sequence":
        place.SequenceName = f"*ep_b{b_value:.0f}" + ("t" if diffusion.is_trace else "")
        return
    if diffusion.where == "comment":
        text = f"b={b_value:.0f}" if b_value is not None else "none"
        place.ImageComments = text + ("" if direction is None else "({:.3f},{:.3f},{:.3f})".format(*direction))
        return
    if diffusion.where == "csa":
        items = {"B_value": ("IS", [f"{b_value:.0f}"])}
        if direction is not None:
            items["DiffusionDirectionality"] = ("CS", ["DIRECTIONAL"])
            items["DiffusionGradientDirection"] = ("FD", [f"{part:.8f}" for part in direction])
        place.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", make_csa(items))
        return
    {"siemens": _add_siemens, "ge": _add_ge, "philips": _add_philips}[vendor](place, diffusion)


def make_csa(items: dict[str, tuple[str, list[str]]]) -> bytes:
    """Make a CSA2 header: a counted list of named values."""
    content = b"SV10\4\3\2\1" + struct.pack("<2I", len(items), 77)
    for name, (kind, values) in items.items():
        padded = [*values, *[""] * (6 - len(values))]
        content += struct.pack("<64si4s3i", name.encode(), len(values), kind.encode(), 6, len(padded), 77)
        for value in padded:
            text = value.encode() + (b"\0" if value else b"")
            content += struct.pack("<4i", len(text), len(text), 77, len(text)) + text + b"\0" * (-len(text) % 4)
    return content + b"\0" * (len(content) % 2)


def _add_siemens(place: Dataset, diffusion: Diffusion) -> None:
    block = place.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", f"{diffusion.b_value:.0f}")
    if diffusion.direction is not None:
        block.add_new(0x0D, "CS", "DIRECTIONAL")
        block.add_new(0x0E, "FD", list(diffusion.direction))
    elif diffusion.is_trace:
        block.add_new(0x0D, "CS", "ISOTROPIC")


def _add_ge(place: Dataset, diffusion: Diffusion) -> None:
    # series with several b-values carry a bias of 1e9
    place.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(
        0x39, "IS", [f"{1e9 + diffusion.b_value:.0f}", "8", "0", "0"]
    )
    block = place.private_block(0x0019, "GEMS_ACQU_01", create=True)
    for element, part in zip((0xBB, 0xBC, 0xBD), diffusion.direction or (0, 0, 0), strict=True):
        block.add_new(element, "DS", f"{part:.6f}")


def _add_philips(place: Dataset, diffusion: Diffusion) -> None:
    block = place.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x03, "FL", float(diffusion.b_value))
    block.add_new(0x04, "CS", "I" if diffusion.is_trace else "O")
    block = place.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    for element, part in zip((0xB0, 0xB1, 0xB2), diffusion.direction or (0, 0, 0), strict=True):
        block.add_new(element, "FL", float(part))


def _start(tags: SeriesTags, sop_class: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = PATIENT, tags.patient, "19501231"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = tags.study, tags.uid
    dataset.SeriesNumber, dataset.Modality, dataset.Manufacturer = tags.number, "MR", MANUFACTURERS[tags.vendor]
    dataset.StudyID = "1"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = "20260101"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = "120000"
    dataset.SeriesDescription = f"{tags.description} {PATIENT}".strip()
    dataset.ProtocolName, dataset.SequenceName = PATIENT, tags.sequence
    dataset.ImageType = list(tags.image_type)
    dataset.FrameOfReferenceUID = FRAME_OF_REFERENCE
    dataset.MRAcquisitionType, dataset.RepetitionTime, dataset.MagneticFieldStrength = "2D", 8000, 3
    dataset.PatientPosition, dataset.FlipAngle = "HFS", 90
    for keyword, value in tags.extra.items():
        setattr(dataset, keyword, value)
    return dataset


def _place(dataset: Dataset, grid: Grid, index: int) -> None:
    axes = np.array(grid.direction).reshape(3, 3)
    x, y, z = grid.spacing_mm
    dataset.ImageOrientationPatient = [f"{cosine:.10g}" for cosine in (*axes[:, 0], *axes[:, 1])]
    dataset.ImagePositionPatient = [f"{mm:.10g}" for mm in grid.to_physical_mm(np.array([index, 0, 0]))]
    dataset.PixelSpacing = [f"{y:.10g}", f"{x:.10g}"]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = f"{z:.10g}"


def _make_groups(grid: Grid, index: int, tags: SeriesTags, slope: float, intercept: float) -> Dataset:
    flat = Dataset()
    _place(flat, grid, index)
    group, position, orientation, measures, values, echo = (Dataset() for _ in range(6))
    position.ImagePositionPatient = flat.ImagePositionPatient
    orientation.ImageOrientationPatient = flat.ImageOrientationPatient
    for keyword in ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"):
        setattr(measures, keyword, getattr(flat, keyword))
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = f"{slope:.8g}", f"{intercept:.8g}", "US"
    echo.EffectiveEchoTime = float(tags.echo_ms)
    group.PlanePositionSequence = Sequence([position])
    group.PlaneOrientationSequence = Sequence([orientation])
    group.PixelMeasuresSequence = Sequence([measures])
    group.PixelValueTransformationSequence = Sequence([values])
    group.MREchoSequence = Sequence([echo])
    if tags.inversion_ms is not None:
        modifier = Dataset()
        modifier.InversionTimes = float(tags.inversion_ms)
        group.MRModifierSequence = Sequence([modifier])
    return group


def _set_pixels(dataset: Dataset, pixels: np.ndarray) -> None:
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(pixels.dtype == np.int16)
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()


def _save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path
