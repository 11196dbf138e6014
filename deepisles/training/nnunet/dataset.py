"""DWI, ADC and mask as an nnU-Net v2 raw data set, at 1 mm as SEALS sees them when it segments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from nnunetv2.utilities.crossval_split import generate_crossval_split

from deepisles.case.files import CaseFiles
from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.volume import Volume
from deepisles.errors import InputRefused
from deepisles.preparation.isotropic import resample_to_isotropic
from deepisles.reports.images import write_bytes, write_volume
from deepisles.training.folds import PARTS
from deepisles.training.layout import TrainingCase
from deepisles.training.nnunet.folders import CHANNEL_NAMES, FILE_ENDING, LABELS, NnunetFolders
from deepisles.training.reading import fingerprint_files, read_training_case

SPLIT_SEED = 12345
"""nnU-Net's own (nnUNetTrainer.do_split)."""
CASES_NAME = "cases.json"
"""Says which case is which, and tells a second run whether the data are still the same."""


def write_raw_data_set(data_sets: Sequence[Sequence[TrainingCase]], folds: int, folders: NnunetFolders) -> None:
    """Write all cases into one nnU-Net data set; those that an earlier run wrote are left as they are.

    nnU-Net draws every case equally often, whatever data set it is from, and cuts the cases into five parts itself.
    It cannot cut fewer than five: then every case is a part of its own, which is written beside the data for it.

    Parameters
    ----------
    data_sets : sequence of sequences of TrainingCase
        All cases.
    folds : int
        Networks to train.
    folders : NnunetFolders
        Where.

    Raises
    ------
    InputRefused
        If there are too few cases for the folds, the folder holds other data, or an image cannot be used.
    GeometryError
        If an image's or a mask's grid makes no sense.
    OutputError
        If a file cannot be written.
    """
    cases = {
        f"set{number}-case{place:05d}": case
        for number, data_set in enumerate(data_sets)
        for place, case in enumerate(data_set)
    }
    parts = min(PARTS, len(cases))
    if folds > parts or parts < 2:
        raise InputRefused(
            f"There are {len(cases)} cases, which nnU-Net cuts into {parts} parts, one per fold: "
            f"give more cases or fewer --folds."
        )
    _check_same_data(cases, folders)
    _remove_partial_files(folders)
    for identifier, case in cases.items():
        _write_case(identifier, case, folders)
    if len(cases) < PARTS:
        splits = generate_crossval_split(sorted(cases), seed=SPLIT_SEED, n_splits=parts)
        _write_json("splits_final.json", splits, folders)
    description = {
        "channel_names": CHANNEL_NAMES,
        "labels": LABELS,
        "numTraining": len(cases),
        "file_ending": FILE_ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    _write_json("dataset.json", description, folders)


def _check_same_data(cases: dict[str, TrainingCase], folders: NnunetFolders) -> None:
    ours = {
        identifier: {"case": case.name, "files": fingerprint_files((case.dwi, case.adc, case.mask))}
        for identifier, case in cases.items()
    }
    stored = folders.data_set / CASES_NAME
    if not stored.exists():
        _write_json(CASES_NAME, ours, folders)
    elif json.loads(stored.read_text(encoding="utf-8")) != ours:
        raise InputRefused(
            f"{folders.root} holds a run on other data than these, or they have changed since: "
            f"give another --work, or delete that folder to begin anew."
        )


def _remove_partial_files(folders: NnunetFolders) -> None:
    """Remove what a killed run left half written, which nnU-Net would take for cases."""
    for folder in (folders.images, folders.labels):
        for path in folder.glob(".partial-*"):
            path.unlink()


def _write_case(identifier: str, case: TrainingCase, folders: NnunetFolders) -> None:
    label_path = folders.labels / f"{identifier}{FILE_ENDING}"
    if label_path.exists():
        return
    labelled = read_training_case(case, CaseFiles(case.dwi, case.adc))
    isotropic = resample_to_isotropic(labelled.images.dwi, labelled.images.adc)
    for channel, volume in enumerate((isotropic.dwi, isotropic.adc)):
        # SEALS casts to float32 before anything else, as nnU-Net does on reading
        path = folders.images / f"{identifier}_{channel:04d}{FILE_ENDING}"
        write_volume(path, volume.array.astype(np.float32), volume.grid)
    mask = labelled.mask
    lesion = _resample_mask(mask.with_array((mask.array > 0).astype(np.uint8)), isotropic.dwi)
    # last, since it says that the case is whole
    write_volume(label_path, lesion.array, lesion.grid)


def _resample_mask(mask: Volume, onto: Volume) -> Volume:
    """Resample a uint8 mask (z, y, x) by nearest neighbour, 0 outside."""
    return to_volume(
        sitk.Resample(to_image(mask), to_image(onto), sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    )


def _write_json(name: str, content: Any, folders: NnunetFolders) -> None:  # noqa: ANN401 - anything that is JSON
    write_bytes(folders.data_set / name, f"{json.dumps(content, indent=1)}\n".encode())
