"""From data to a bundle: every network of one member, one after the other."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

from torch import nn

from deepisles.device import choose_device
from deepisles.errors import InputRefused
from deepisles.training.cards import RECORDS, write_record
from deepisles.training.curve import draw_curves
from deepisles.training.engine import train_network
from deepisles.training.examples import FLAIR
from deepisles.training.folds import Fold, split
from deepisles.training.layout import TrainingCase, find_training_cases
from deepisles.training.options import TrainOptions
from deepisles.training.pace import Pace
from deepisles.training.recipes import Recipe, find_recipe
from deepisles.training.run_folder import claim_run_folder
from deepisles.weights.bundle import Bundle
from deepisles.weights.manifest import MANIFEST_NAME
from deepisles.weights.merging import TrainedNetwork, put_member

logger = logging.getLogger(__name__)


def train_member(options: TrainOptions) -> Path:
    """Train a member's networks and write them into a bundle.

    A run that was killed goes on where it stopped when it is started again with the same options.

    Returns
    -------
    Path
        The bundle.

    Raises
    ------
    InputRefused
        If there is no such member, or the data cannot be used.
    WeightsError
        If the bundle to start from, or the one to write to, is not one.
    MemberFailed
        If nnU-Net, which trains SEALS at the published scale, stopped.
    DeviceError
        If the device is absent.
    """
    if (options.member, options.scale) == ("seals", "published"):
        from deepisles.training.nnunet.train import train_seals_by_nnunet

        return train_seals_by_nnunet(options)
    recipe = find_recipe(options.member, options.scale)
    if options.learning_rate is not None:
        recipe = replace(recipe, learning_rate=options.learning_rate)
    device = choose_device(options.device)
    data_sets = [find_training_cases(path) for path in options.data]
    needs_flair = FLAIR in recipe.channels
    if needs_flair:
        _require_flair(data_sets)
    start = None if options.start is None else Bundle.open(options.start)
    trained: list[TrainedNetwork] = []
    histories: dict[str, list[dict[str, float]]] = {}
    # networks of two sizes do not share their states
    states = options.work_folder / (
        options.member if options.scale == "starter" else f"{options.member}-{options.scale}"
    )
    for number in range(options.folds):
        fold = split(data_sets, number, options.folds, needs_flair)
        for kind, repeat in product(_choose_kinds(options, recipe), range(recipe.repeats)):
            name = f"{kind}{repeat * options.folds + number}"
            pace = replace(options.pace, seed=options.pace.seed + repeat)
            claim_run_folder(states / name, _describe_network(recipe, kind, fold, pace, start))
            logger.info("training %s %s", options.member, name)
            network, history = train_network(
                recipe.networks[kind],
                recipe,
                fold.training,
                fold.validation,
                states / name,
                options.work_folder / "examples",
                pace,
                device,
                None if start is None else _take_start(start, recipe, kind, number),
            )
            trained.append(TrainedNetwork(name, recipe.networks[kind], network))
            histories[name] = history.entries
    trained += _keep_other_kinds(options, recipe)
    # kinds stay together, in fold order, as the members expect them
    numbers = range(max(options.folds * recipe.repeats, len(trained)))
    order = {f"{kind}{number}": (place, number) for place, kind in enumerate(recipe.networks) for number in numbers}
    trained.sort(key=lambda each: order[each.name])
    with put_member(options.output, recipe.member, recipe.settings, trained) as folder:
        title = write_record(folder, options.output.name, _describe_run(options, recipe, data_sets, histories))
        draw_curves(histories, folder / RECORDS / f"{title}.png")
    return options.output


def _require_flair(data_sets: list[list[TrainingCase]]) -> None:
    """Refuse data without any FLAIR, for SWAN; say how many cases have none."""
    cases = [case for data_set in data_sets for case in data_set]
    without = sum(case.flair is None for case in cases)
    if without == len(cases):
        raise InputRefused("SWAN needs FLAIR, and no case has one.")
    if without:
        logger.info("%d of %d cases have no FLAIR: SWAN is trained on them too, but not validated", without, len(cases))


def _choose_kinds(options: TrainOptions, recipe: Recipe) -> tuple[str, ...]:
    unknown = [kind for kind in options.kinds or () if kind not in recipe.networks]
    if unknown:
        known = ", ".join(recipe.networks)
        raise InputRefused(f"{options.member.upper()} has no kind of network {unknown[0]!r}: choose {known}.")
    return options.kinds or tuple(recipe.networks)


def _keep_other_kinds(options: TrainOptions, recipe: Recipe) -> list[TrainedNetwork]:
    """Take the networks that the bundle has of the kinds that are not trained, so that kinds can be trained apart."""
    if options.kinds is None or not (options.output / MANIFEST_NAME).is_file():
        return []
    bundle = Bundle.open(options.output)
    if recipe.member not in bundle.member_names:
        return []
    others = [spec for kind, spec in recipe.networks.items() if kind not in options.kinds]
    entries = dict(bundle.manifest.members.items())[recipe.member].networks
    return [
        TrainedNetwork(Path(entry.file).stem, entry.architecture, network)
        for entry, network in zip(entries, bundle.load_networks(recipe.member), strict=True)
        if entry.architecture in others
    ]


def _take_start(start: Bundle, recipe: Recipe, kind: str, number: int) -> nn.Module:
    """Take the network to start from: the fold's own, or the first of its kind."""
    entries = (
        dict(start.manifest.members.items())[recipe.member].networks if recipe.member in start.member_names else ()
    )
    alike = [place for place, entry in enumerate(entries) if entry.architecture == recipe.networks[kind]]
    if not alike:
        raise InputRefused(f"The bundle to start from has no {recipe.member.upper()} network of the kind {kind!r}.")
    return start.load_networks(recipe.member)[alike[min(number, len(alike) - 1)]]


def _describe_network(recipe: Recipe, kind: str, fold: Fold, pace: Pace, start: Bundle | None) -> dict[str, Any]:
    """Say all that one trained network depends on."""
    return {
        "network": asdict(recipe.networks[kind]),
        "learning rate": recipe.learning_rate,
        "batch size": recipe.batch_size,
        "number of steps": pace.whole_steps,
        "number of steps per epoch": pace.steps_per_epoch,
        "seed": pace.seed,
        "data set": [[case.name for case in data_set.cases] for data_set in fold.training],
        "start": None if start is None else start.digest,
    }


def _describe_run(
    options: TrainOptions,
    recipe: Recipe,
    data_sets: list[list[TrainingCase]],
    histories: dict[str, list[dict[str, float]]],
) -> dict[str, Any]:
    return {
        "member": recipe.member,
        "kinds": options.kinds,
        "scale": options.scale,
        "data": [{"cases": len(cases)} for cases in data_sets],
        "start": options.start.name if options.start is not None else None,
        "folds": options.folds,
        "steps": options.pace.steps,
        "seed": options.pace.seed,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "best": {name: max(entries, key=lambda entry: entry["score"]) for name, entries in histories.items()},
        "history": histories,
    }
