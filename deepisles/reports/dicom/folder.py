"""The folder `dicom/` of a case."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

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
    try:
        with quiet_pydicom():
            files = _build(plan, dwi, maps, report)
            for name, dataset in files.items():
                with whole_file(folder / name) as temporary:
                    dataset.save_as(temporary, enforce_file_format=True)
    except UNFIT as error:
        logger.debug("DICOM output failed: %s", type(error).__name__)
        # neither chained nor quoted: what was wrong may be a patient's name
        raise OutputError(
            "The DICOM output cannot be made of the DWI's tags: ask for a derived series (--dicom-output derived)."
        ) from None
    return DicomOutputReport(
        series="derived" if plan.slices is None else "source",
        segments=report.lesion_count,
        files=tuple(f"{folder.name}/{name}" for name in files),
    )


def _build(plan: DicomPlan, dwi: Volume, maps: Mapping[str, Volume], report: Report) -> dict[str, Dataset]:
    """Build the files by their names: images, segmentation, probability, measurements."""
    origin = Origin.of(report)
    files: dict[str, Dataset] = {}
    slices = plan.slices
    if slices is None:
        slices = derive_slices(dwi, origin)
        files |= {f"dwi/{number:04d}.dcm": image for number, image in enumerate(slices.headers, 1)}
    mask, probability = maps["lesion_mask"], maps["lesion_probability"]
    lesions = track_lesions([lesion.label for lesion in report.lesions])
    segmentation = None
    if lesions:
        labels = lay_on_slices(mask.with_array(label_lesions(mask.array)), slices)
        segmentation = files[SEGMENTATION_FILE] = build_segmentation(slices, labels, lesions, origin)
    if plan.with_probability and probability.array.any():
        files[PROBABILITY_FILE] = build_probability(slices, lay_on_slices(probability, slices), origin)
    files[MEASUREMENTS_FILE] = build_measurements(slices, segmentation, lesions, report, origin)
    return files
