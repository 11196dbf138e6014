"""The folder `dicom/` of a case."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from deepisles.case.dicom.quiet import quiet_pydicom
from deepisles.case.volume import Volume
from deepisles.errors import OutputError
from deepisles.findings.lesions import label_lesions
from deepisles.reports.dicom.derived_series import derive_slices
from deepisles.reports.dicom.measurements import build_measurements
from deepisles.reports.dicom.origin import Origin
from deepisles.reports.dicom.placement import lay_on_slices
from deepisles.reports.dicom.plan import UNFIT, DicomPlan
from deepisles.reports.dicom.segmentation import build_probability, build_segmentation, track_lesions
from deepisles.reports.images import whole_file
from deepisles.reports.report import DicomOutputReport, Report

SEGMENTATION_FILE: Final = "segmentation.dcm"
MEASUREMENTS_FILE: Final = "measurements.dcm"
PROBABILITY_FILE: Final = "probability.dcm"

logger = logging.getLogger(__name__)


def write_dicom(
    folder: Path, plan: DicomPlan, dwi: Volume, maps: Mapping[str, Volume], report: Report
) -> DicomOutputReport:
    """Write a case's DICOM output.

    Parameters
    ----------
    folder : Path
        Made if absent.
    plan : DicomPlan
        What to write.
    dwi : Volume
        As the members saw it; a derived series shows it.
    maps : mapping
        "lesion_mask" and "lesion_probability", on the DWI's grid.
    report : Report
        The numbers that the structured report repeats.

    Returns
    -------
    DicomOutputReport
        What was written.

    Raises
    ------
    OutputError
        If something cannot be written.
    """
    written = []
    for name, dataset in _build(plan, dwi, maps, report):
        with whole_file(folder / name) as temporary, quiet_pydicom():
            dataset.save_as(temporary, enforce_file_format=True)
        written.append(name)
    return DicomOutputReport(
        series="derived" if plan.slices is None else "source",
        segments=report.lesion_count,
        files=tuple(f"{folder.name}/{name}" for name in written),
    )


def _build(plan: DicomPlan, dwi: Volume, maps: Mapping[str, Volume], report: Report) -> Iterator[tuple[str, Dataset]]:
    """Build the files one by one: images, segmentation, probability, measurements."""
    origin = Origin.of(report)
    slices = derive_slices(dwi, origin) if plan.slices is None else plan.slices
    if plan.slices is None:
        for index, image in enumerate(slices.headers, 1):
            yield f"dwi/{index:04d}.dcm", image
    mask = maps["lesion_mask"]
    labels = lay_on_slices(mask.with_array(label_lesions(mask.array)), slices)
    lesions = track_lesions([lesion.label for lesion in report.lesions])
    try:
        with quiet_pydicom():
            segmentation = build_segmentation(slices, labels, lesions, origin) if lesions else None
            measurements = build_measurements(slices, segmentation, lesions, report, origin)
            probability = None
            if plan.with_probability:
                laid = lay_on_slices(maps["lesion_probability"], slices)
                probability = build_probability(slices, laid, origin)
    except UNFIT as error:
        logger.debug("DICOM output failed: %s", type(error).__name__)
        # neither chained nor quoted: what was wrong may be a patient's name
        raise OutputError(
            "The DICOM output cannot be made of the DWI's tags: ask for a derived series (--dicom-output derived)."
        ) from None
    if segmentation is not None:
        yield SEGMENTATION_FILE, segmentation
    if probability is not None and np.any(maps["lesion_probability"].array):
        yield PROBABILITY_FILE, probability
    yield MEASUREMENTS_FILE, measurements
