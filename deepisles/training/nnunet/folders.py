"""Where nnU-Net keeps what it reads and writes, and the names it knows SEALS by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DATASET_ID = 12
"""The number that SEALS' authors gave their task; here it only has to be one."""
DATASET = f"Dataset{DATASET_ID:03d}_SEALS"
CONFIGURATION = "3d_fullres"
PLANS = "nnUNetPlans"
TRAINER = "nnUNetTrainer"
CHANNEL_NAMES = {"0": "DWI", "1": "ADC"}
LABELS = {"background": 0, "lesion": 1}
FILE_ENDING = ".nii.gz"
CHECKPOINT = "checkpoint_final.pth"


@dataclass(frozen=True)
class NnunetFolders:
    """The folders of one run, all below its work folder.

    Parameters
    ----------
    root : Path
        The work folder.
    """

    root: Path

    @property
    def raw(self) -> Path:
        """The folder nnU-Net calls nnUNet_raw."""
        return self.root / "raw"

    @property
    def preprocessed(self) -> Path:
        """The folder nnU-Net calls nnUNet_preprocessed."""
        return self.root / "preprocessed"

    @property
    def results(self) -> Path:
        """The folder nnU-Net calls nnUNet_results."""
        return self.root / "results"

    @property
    def data_set(self) -> Path:
        """The data set in nnUNet_raw."""
        return self.raw / DATASET

    @property
    def images(self) -> Path:
        """Its images: one file per case and channel."""
        return self.data_set / "imagesTr"

    @property
    def labels(self) -> Path:
        """Its lesion masks."""
        return self.data_set / "labelsTr"

    @property
    def model(self) -> Path:
        """The trained model: plans.json, dataset.json and a folder per fold."""
        return self.results / DATASET / f"{TRAINER}__{PLANS}__{CONFIGURATION}"

    @property
    def planned(self) -> Path:
        """A file that is there once planning and preprocessing are done."""
        return self.root / "planned"

    @property
    def log(self) -> Path:
        """All that nnU-Net says."""
        return self.root / "nnunet.log"

    def fold(self, number: int) -> Path:
        """Name the folder of one fold's training."""
        return self.model / f"fold_{number}"

    def predictions(self, number: int) -> Path:
        """Name the folder of a fold's predictions of its own validation cases."""
        return self.fold(number) / "validation"
