"""DICOM output read back: by its tags alone, by dcmqi, and checked by dciodvfy."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, dcmread


def sort_places(places_mm):
    """Sort places so that the same ones compare equal, whatever their order."""
    rounded = np.round(np.asarray(places_mm, float), 2) + 0.0
    return rounded[np.lexsort(rounded.T)]


def locate_by_tags(segmentation: Dataset) -> dict[int, np.ndarray]:
    """Compute where each segment's pixels lie in the patient (LPS, mm) by PS3.3 C.7.6.2.1.1, from tags alone."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    pixels = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    places: dict[int, list] = {}
    for group, picture in zip(segmentation.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(picture)
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found = corner + np.outer(columns * between_columns, axes[:3]) + np.outer(rows * between_rows, axes[3:])
        places.setdefault(number, []).append(found)
    return {number: sort_places(np.concatenate(found)) for number, found in places.items()}


def locate_by_dcmqi(path: Path, folder: Path) -> dict[int, np.ndarray]:
    """Let dcmqi make an image file of each segment, and say where its voxels lie."""
    program = _find("segimage2itkimage")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [program, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd"], check=True, capture_output=True
    )
    return {int(file.stem): locate_voxels(file) for file in folder.glob("*.nrrd")}


def locate_voxels(path: Path) -> np.ndarray:
    """Say where an image file's voxels that are not 0 lie, by the geometry that ITK reads."""
    image = sitk.ReadImage(path)
    array = sitk.GetArrayFromImage(image)
    indices = np.argwhere(array)[:, ::-1]
    steps = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    return sort_places(indices @ steps.T + image.GetOrigin())


def read_measurements_by_dcmqi(path: Path, folder: Path) -> dict:
    """Let dcmqi read a structured report."""
    program, out = _find("tid1500reader"), folder / "measurements.json"
    subprocess.run([program, "--inputDICOM", path, "--outputMetadata", out], check=True, capture_output=True)
    return json.loads(out.read_text())


def list_complaints(path: Path) -> list[str]:
    """List errors and warnings of dciodvfy, of Debian's dicom3tools."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
    told = subprocess.run([program, "-new", path], capture_output=True, text=True, check=False)
    return [line for line in (told.stdout + told.stderr).splitlines() if line.startswith(("Error", "Warning"))]


def list_items(dataset: Dataset):
    """List all content items of a structured report."""
    for item in dataset.get("ContentSequence", []):
        yield item
        yield from list_items(item)


def read_numbers(dataset: Dataset) -> dict[str, list[tuple[float, str]]]:
    """Read a structured report's numbers with their units by pydicom, by the meaning of their names."""
    numbers: dict[str, list[tuple[float, str]]] = {}
    for item in list_items(dataset):
        if item.ValueType == "NUM":
            measured = item.MeasuredValueSequence[0]
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            name = item.ConceptNameCodeSequence[0].CodeMeaning
            numbers.setdefault(name, []).append((float(measured.NumericValue), unit))
    return numbers


def read_series(folder: Path) -> dict[str, Dataset]:
    """Read the DICOM files of a folder by their paths in it."""
    return {str(path.relative_to(folder)): dcmread(path) for path in sorted(folder.rglob("*.dcm"))}


def _find(program: str) -> str:
    try:
        import dcmqi
    except ImportError:
        pytest.skip("dcmqi is not installed")
    return str(Path(dcmqi.__file__).parent / "bin" / program)
