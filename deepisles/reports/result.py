"""What is known of a case once it has been segmented."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepisles.case.volume import Volume
from deepisles.findings.lesions import Lesion
from deepisles.members.member import Prediction
from deepisles.preparation.mni_alignment import MniAlignment
from deepisles.preparation.prepared import PreparedCase
from deepisles.reports.folder import write_folder
from deepisles.reports.page_pictures import BRAIN_MASK_NAME
from deepisles.reports.picture_choice import PictureChoice
from deepisles.reports.report import Report

if TYPE_CHECKING:
    from deepisles.reports.dicom.plan import DicomPlan


@dataclass(frozen=True)
class EnsembleResult:
    """What is known of a case once it has been segmented.

    Parameters
    ----------
    mask, probability, agreement : Volume
        On the DWI's grid: uint8 {0, 1}; float32, mean of the members; uint8, number of members that say lesion.
    lesions : tuple of Lesion
        Largest first.
    volume_ml : float
        Volume of the mask.
    predictions : dict
        Answer per member that ran.
    images : PreparedCase
        What the members saw.
    report : Report
        The same as report.json but for what writing adds: its time, and what DICOM was written.
    brain_mask : Volume or None
        uint8 {0, 1} on the DWI's grid, where the brain was extracted.
    mni : MniAlignment or None
        Where the case lies in MNI152 space, if images there are wanted.
    dicom : DicomPlan or None
        DICOM that `save` is to write too.
    unstripped_dwi : Volume or None
        The DWI as it came, where the brain was extracted.
    """

    mask: Volume
    probability: Volume
    agreement: Volume
    lesions: tuple[Lesion, ...]
    volume_ml: float
    predictions: dict[str, Prediction]
    images: PreparedCase
    report: Report
    brain_mask: Volume | None = None
    mni: MniAlignment | None = None
    dicom: DicomPlan | None = None
    unstripped_dwi: Volume | None = None

    def save(self, folder: str | Path, save_members: bool = False, pictures: PictureChoice = "viewer") -> None:
        """Write the output folder: maps, pictures and pages first, report.json last.

        Parameters
        ----------
        folder : path
            Made if absent.
        save_members : bool
            Write each member's mask and probability too.
        pictures : str
            "viewer": overview.png, and report.html with pictures and the viewer; "static": without the viewer;
            "none": report.html of text alone.

        Raises
        ------
        OutputError
            If something cannot be written.
        """
        maps = {"lesion_mask": self.mask, "lesion_probability": self.probability, "lesion_agreement": self.agreement}
        if self.brain_mask is not None:
            maps[BRAIN_MASK_NAME] = self.brain_mask
        if save_members:
            for name, prediction in self.predictions.items():
                maps[f"members/{name}_mask"] = self.mask.with_array(prediction.mask)
                maps[f"members/{name}_probability"] = self.mask.with_array(prediction.probability)
        write_folder(
            Path(folder),
            maps,
            self.images,
            self.report,
            pictures=pictures,
            unstripped_dwi=self.unstripped_dwi,
            mni=self.mni,
            dicom=self.dicom,
        )
