"""From data to SEALS in a bundle, by nnU-Net."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deepisles.device import choose_device
from deepisles.errors import InputRefused, WeightsError
from deepisles.training.cards import RECORDS, write_record
from deepisles.training.curve import draw_curves
from deepisles.training.layout import TrainingCase, find_training_cases
from deepisles.training.nnunet.child import run_nnunet
from deepisles.training.nnunet.dataset import write_raw_data_set
from deepisles.training.nnunet.folders import NnunetFolders
from deepisles.training.nnunet.orders import PlanOrder, TrainOrder
from deepisles.training.nnunet.record import PANELS, measure_fold
from deepisles.training.nnunet.result import TrainedFold, read_fold
from deepisles.training.options import TrainOptions
from deepisles.weights.merging import TrainedNetwork, put_member
from deepisles.weights.writing import check_destination

logger = logging.getLogger(__name__)

KIND = "fold"


def train_seals_by_nnunet(options: TrainOptions) -> Path:
    """Plan and train SEALS with nnU-Net v2 and write it into a bundle.

    A run that was killed goes on where it stopped when it is started again with the same options: after the last epoch
    that was finished.

    Returns
    -------
    Path
        The bundle.

    Raises
    ------
    InputRefused
        If the data or an option cannot be used.
    WeightsError
        If the bundle to write to is not one, or nnU-Net made a network that SEALS cannot run.
    MemberFailed
        If nnU-Net stopped.
    DeviceError
        If the device is absent.
    """
    _check(options)
    device = choose_device(options.device)
    pace = options.pace
    data_sets = [find_training_cases(path) for path in options.data]
    folders = NnunetFolders(options.work_folder / "seals-nnunet")
    write_raw_data_set(data_sets, options.folds, folders)
    if not folders.planned.exists():
        run_nnunet(PlanOrder(max(pace.loaders, 1)), folders, pace.loaders, device)
        folders.planned.touch()
    trained: dict[str, TrainedFold] = {}
    for number in range(options.folds):
        logger.info("training seals %s%d by nnU-Net", KIND, number)
        order = TrainOrder(
            fold=number,
            epochs=pace.epochs,
            iterations=pace.steps_per_epoch,
            seed=pace.seed + number,
            learning_rate=options.learning_rate,
            device="cuda" if device.type == "cuda" else "cpu",
        )
        run_nnunet(order, folders, pace.loaders, device)
        trained[f"{KIND}{number}"] = read_fold(folders.model, number)
    first, *others = trained.values()
    if any(each.plans != first.plans for each in others):
        raise WeightsError(f"The folds in {folders.model} have different plans: delete it and train again.")
    networks = [TrainedNetwork(name, fold.plans.spec, fold.network) for name, fold in trained.items()]
    with put_member(options.output, "seals", first.plans.settings, networks) as folder:
        write_record(folder, options.output.name, _describe_run(options, data_sets, trained, folders))
        histories = {name: fold.history for name, fold in trained.items()}
        draw_curves(histories, folder / RECORDS / "seals.png", PANELS, time="epoch")
    return options.output


def _check(options: TrainOptions) -> None:
    # a wrong place is better found now than after days of training
    check_destination(options.output)
    if options.start is not None:
        raise InputRefused("nnU-Net plans its own network, which cannot start from a bundle: leave out --from.")
    if options.kinds not in (None, (KIND,)):
        raise InputRefused(f"SEALS has only one kind of network, {KIND!r}: leave out --kinds.")


def _describe_run(
    options: TrainOptions,
    data_sets: list[list[TrainingCase]],
    trained: dict[str, TrainedFold],
    folders: NnunetFolders,
) -> dict[str, Any]:
    plans = next(iter(trained.values())).plans
    measured = {name: measure_fold(folders, number) for number, name in enumerate(trained)}
    steps = {name: len(fold.history) * options.pace.steps_per_epoch for name, fold in trained.items()}
    return {
        "member": "seals",
        "scale": options.scale,
        "trainer": "nnU-Net v2",
        "data": [{"cases": len(cases)} for cases in data_sets],
        "start": None,
        "folds": options.folds,
        "steps": options.pace.steps,
        "seed": options.pace.seed,
        "batch_size": plans.batch_size,
        "learning_rate": options.learning_rate,
        "patch_size": plans.settings.patch_size,
        # the last state, as nnU-Net takes it; not the best of several
        "best": {
            name: {"step": steps[name], "score": result.score, **asdict(result)} for name, result in measured.items()
        },
        "history": {name: fold.history for name, fold in trained.items()},
    }
