"""The output folder of a case."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deepisles.case.volume import Volume
from deepisles.errors import OutputError
from deepisles.preparation.mni_alignment import MniAlignment
from deepisles.preparation.prepared import PreparedCase
from deepisles.reports.html import render_html
from deepisles.reports.images import write_bytes, write_volume
from deepisles.reports.mni_images import MNI_FILES, write_mni_images
from deepisles.reports.page_pictures import BRAIN_MASK_NAME, draw_pictures
from deepisles.reports.picture_choice import PictureChoice
from deepisles.reports.report import Report
from deepisles.reports.tables import render_lesions, render_summary

if TYPE_CHECKING:
    from deepisles.reports.dicom.plan import DicomPlan

REPORT_NAME = "report.json"
"""Written last: a folder that has it is complete."""
OVERVIEW_NAME = "overview.png"
MEMBER_MAPS = "members/*_mask.nii.gz", "members/*_probability.nii.gz"
"""With the brain mask, the overview and the folders mni and dicom, what not every case has."""
DICOM_FOLDER: Final = "dicom"
DICOM_FILES: Final = f"{DICOM_FOLDER}/*.dcm", f"{DICOM_FOLDER}/dwi/*.dcm"


def write_folder(
    folder: Path,
    maps: Mapping[str, Volume],
    images: PreparedCase,
    report: Report,
    pictures: PictureChoice = "viewer",
    unstripped_dwi: Volume | None = None,
    mni: MniAlignment | None = None,
    dicom: DicomPlan | None = None,
) -> None:
    """Write a case's maps, pictures, tables, page, DICOM output and report.

    Parameters
    ----------
    folder : Path
        Made if absent. An earlier case's report.json is removed first, so that the folder never looks complete
        while it is not, and so are files of its that this case may not have.
    maps : mapping
        Volumes by name without suffix; the three that begin with "lesion_" and the brain mask are drawn too.
    images : PreparedCase
        What the pictures show.
    report : Report
        The time that writing took and what DICOM was written are added to it.
    pictures : str
        How much is drawn.
    unstripped_dwi : Volume, optional
        The DWI before the brain was extracted, for the picture of the brain mask.
    mni : MniAlignment, optional
        Where the case lies in MNI152 space; then the folder mni is written too.
    dicom : DicomPlan, optional
        DICOM that is to be written too.

    Raises
    ------
    OutputError
        If something cannot be written.
    """
    started = time.perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPORT_NAME).unlink(missing_ok=True)
        # an earlier case's would pass for this one's
        for pattern in (f"{BRAIN_MASK_NAME}.nii.gz", OVERVIEW_NAME, *MEMBER_MAPS, *MNI_FILES, *DICOM_FILES):
            for stale in folder.glob(pattern):
                stale.unlink()
    except OSError as error:
        raise OutputError(f"Cannot write to the output folder: {error.strerror or error}.") from error
    for name, volume in maps.items():
        write_volume(folder / f"{name}.nii.gz", volume.array, volume.grid)
    if mni is not None:
        write_mni_images(folder, maps, images, mni)
    drawn = draw_pictures(images, maps, pictures, unstripped_dwi)
    if drawn.overview is not None:
        write_bytes(folder / OVERVIEW_NAME, drawn.overview)
    write_bytes(folder / "report.html", render_html(report, drawn).encode())
    write_bytes(folder / "lesions.csv", render_lesions(report).encode())
    write_bytes(folder / "summary.csv", render_summary(report).encode())
    if dicom is not None:
        # highdicom takes half a second to import, which other cases need not wait for
        from deepisles.reports.dicom.folder import write_dicom

        written = write_dicom(folder / DICOM_FOLDER, dicom, images.dwi, maps, report)
        report = report.model_copy(update={"dicom_output": written})
    timing = {**report.timing_seconds, "write": round(time.perf_counter() - started, 3)}
    complete = report.model_copy(update={"timing_seconds": timing})
    write_bytes(folder / REPORT_NAME, (complete.model_dump_json(indent=2) + "\n").encode())
