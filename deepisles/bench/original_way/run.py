"""One case in the original's way: process after process, then the vote."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepisles.bench.children import ask_child
from deepisles.bench.original_way.images import WorkFiles, lay_out, read_image
from deepisles.bench.original_way.seals import average_folds, bring_back
from deepisles.bench.original_way.task import Task, TaskCost, add_costs
from deepisles.bench.request import BenchRequest
from deepisles.case.files import CaseFiles
from deepisles.consensus.voting import ENSEMBLE, decide
from deepisles.device import choose_device
from deepisles.errors import WeightsError
from deepisles.members.member import MemberName, Prediction
from deepisles.members.settings import SealsSettings
from deepisles.preparation.deepbet_extractor import DeepbetExtractor
from deepisles.preparation.isotropic import resample_to_isotropic
from deepisles.reports.images import write_volume
from deepisles.weights.bundle import Bundle
from deepisles.weights.locate import open_weights

WORKER = "deepisles.bench.original_way.worker"


@dataclass(frozen=True)
class OriginalRun:
    """What came out, and what it took.

    Parameters
    ----------
    members : mapping
        Cost of each member, of all its processes and of what is done between them.
    read_seconds : float
        Reading, stripping and laying out the case.
    total_seconds : float
        From the files to the mask's file.
    masks : mapping
        Each member's mask (z, y, x) on the DWI's grid.
    mask : numpy.ndarray
        The vote's.
    """

    members: Mapping[MemberName, TaskCost]
    read_seconds: float
    total_seconds: float
    masks: Mapping[MemberName, NDArray[np.uint8]]
    mask: NDArray[np.uint8]


def run_original_way(request: BenchRequest) -> OriginalRun:
    """Segment a case in the original's way.

    The registration is the original's, Elastix, unless the FLAIR lies on the DWI's grid already ("none").

    Raises
    ------
    InputRefused, GeometryError
        If the case cannot be read.
    WeightsError
        If the bundle lacks a member that is asked for.
    DeepIslesError
        If a process fails.
    """
    with tempfile.TemporaryDirectory(prefix="deepisles-") as folder:
        return _Flow(request, Path(folder)).run()


class _Flow:
    def __init__(self, request: BenchRequest, folder: Path) -> None:
        self._request = request
        self._folder = folder
        self._bundle: Bundle = open_weights(request.options.weights)
        wanted = request.options.members or self._bundle.member_names
        self._members = [name for name in ENSEMBLE if name in wanted]
        if request.files.flair is None and "swan" in self._members:
            self._members.remove("swan")

    def run(self) -> OriginalRun:
        started = time.perf_counter()
        options = self._request.options
        extractor = DeepbetExtractor(choose_device(options.device))
        with_flair = "swan" in self._members
        work = lay_out(self._request.files, self._folder, options.brain_extraction, extractor, with_flair=with_flair)
        read_seconds = time.perf_counter() - started
        costs: dict[MemberName, TaskCost] = {}
        for name in self._members:
            costs[name] = self._run_seals(work) if name == "seals" else self._run_process(name, work, None)
        masks = {name: read_image(self._mask_path(name), "mask").array for name in self._members}
        votes: dict[str, Prediction] = {name: Prediction(mask.astype(np.float32), mask) for name, mask in masks.items()}
        mask = decide(votes).mask
        write_volume(self._folder / "lesion_msk.nii.gz", mask, work.grid)
        return OriginalRun(costs, read_seconds, time.perf_counter() - started, masks, mask)

    def _run_seals(self, work: WorkFiles) -> TaskCost:
        entry = self._bundle.manifest.members.seals
        if entry is None:
            raise WeightsError("The weights bundle has none for SEALS: leave it out with --members.")
        settings: SealsSettings = entry.settings
        started = time.perf_counter()
        isotropic = work.grid
        seen = work
        if settings.resampling == "nnunet":
            images = resample_to_isotropic(work.dwi, work.adc)
            isotropic = images.dwi.grid
            paths = [self._folder / f"{name}_1mm.nii.gz" for name in ("dwi", "adc")]
            for path, image in zip(paths, (images.dwi, images.adc), strict=True):
                write_volume(path, image.array, image.grid)
            seen = replace(work, files=CaseFiles(*paths))
        folds = [self._folder / f"fold{index}.npz" for index in range(len(entry.networks))]
        costs = [self._run_process("seals", seen, index) for index in range(len(entry.networks))]
        for fold in folds:
            bring_back(fold, isotropic, work.grid, settings)
        write_volume(self._mask_path("seals"), average_folds(folds), work.grid)
        return replace(add_costs(costs), wall_seconds=time.perf_counter() - started)

    def _run_process(self, name: MemberName, work: WorkFiles, network: int | None) -> TaskCost:
        options = self._request.options
        task = Task(
            member=name,
            network=network,
            weights=self._bundle.folder.absolute(),
            device=options.device,
            threads=self._request.threads,
            dwi=work.files.dwi.absolute(),
            adc=work.files.adc.absolute(),
            flair=None if work.files.flair is None else work.files.flair.absolute(),
            registered=options.registration == "none",
            output=self._mask_path(name) if network is None else self._folder / f"fold{network}.npz",
        )
        answer = ask_child(WORKER, task.to_json())
        return TaskCost(wall_seconds=answer.wall_seconds, **answer.content)

    def _mask_path(self, name: str) -> Path:
        return self._folder / f"{name}_msk.nii.gz"
