"""The commands of the command line that train: `train` and `synthesise`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from deepisles.plain_errors import Debug, plain_errors
from deepisles.training.options import Scale, TrainOptions
from deepisles.training.pace import Pace


def train(
    member: Annotated[str, typer.Argument(help="seals, nvauto or swan.")],
    data: Annotated[
        list[Path],
        typer.Argument(help="Data sets in ISLES'22's layout, or .csv tables; each is drawn from equally often."),
    ],
    output: Annotated[Path, typer.Option(help="The bundle; its other members stay.", file_okay=False)],
    start: Annotated[Path | None, typer.Option("--from", help="A bundle whose networks training starts from.")] = None,
    scale: Annotated[
        Scale, typer.Option(help="Networks for two CPU cores, or of the published sizes; SEALS then by nnU-Net.")
    ] = "starter",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps per network; by default 4000, or the originals'.")
    ] = None,
    steps_per_epoch: Annotated[int, typer.Option(min=1, help="Steps between validations and saved states.")] = 250,
    folds: Annotated[
        int | None,
        typer.Option(min=1, help="Networks per kind, each with its own validation cases; by default 1, or 5."),
    ] = None,
    kinds: Annotated[str | None, typer.Option(help="Only these kinds of networks; the bundle's others stay.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Source of all chance.")] = 0,
    loaders: Annotated[int, typer.Option(min=0, help="Processes that prepare crops beside the training.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:0.")] = "auto",
    work: Annotated[
        Path | None, typer.Option(help="Where states and prepared cases are kept.", file_okay=False)
    ] = None,
    debug: Debug = False,
) -> None:
    """Train a member on your own data, or go on where a killed run stopped."""
    with plain_errors(debug):
        from deepisles.training.require import require_training_packages

        require_training_packages()
        from deepisles.training.recipes import find_length
        from deepisles.training.train import train_member

        length = find_length(member, scale)
        steps = steps or length.steps
        # a run takes hours: each validation is told
        logging.getLogger("deepisles").setLevel(logging.DEBUG if debug else logging.INFO)
        bundle = train_member(
            TrainOptions(
                member=member,
                data=tuple(data),
                output=output,
                start=start,
                folds=folds or length.folds,
                kinds=None if kinds is None else tuple(part.strip() for part in kinds.split(",")),
                pace=Pace(steps, min(steps_per_epoch, steps), seed, loaders),
                learning_rate=learning_rate,
                device=device,
                work=work,
                scale=scale,
            )
        )
        typer.echo(f"bundle: {bundle}")


def synthesise(
    output: Annotated[Path, typer.Argument(help="Folder for the data set, in ISLES'22's layout.", file_okay=False)],
    cases: Annotated[int, typer.Option(min=1, help="Number of cases.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed and number of the first case.")] = 0,
    lesion_shapes: Annotated[
        Path | None, typer.Option(help="Folder of lesion masks in MNI152 space (.nii.gz); without it emboli and blobs.")
    ] = None,
    real_tissue: Annotated[
        Path | None, typer.Option(help="Data set whose brains serve as background of some cases.")
    ] = None,
    real_tissue_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the cases that use it.")] = 0.3,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    debug: Debug = False,
) -> None:
    """Make synthetic strokes to train on."""
    with plain_errors(debug):
        from deepisles.training.require import require_training_packages

        require_training_packages()
        from deepisles.training.layout import find_training_cases
        from deepisles.training.synthesis.case import Ingredients
        from deepisles.training.synthesis.dataset import write_dataset
        from deepisles.training.synthesis.lesion_shapes import load_lesion_shapes
        from deepisles.training.synthesis.load_tissue import load_real_tissue

        tissues = [] if real_tissue is None else [load_real_tissue(each) for each in find_training_cases(real_tissue)]
        shapes = () if lesion_shapes is None else load_lesion_shapes(lesion_shapes)
        write_dataset(output, cases, seed, Ingredients(shapes, tuple(tissues), real_tissue_share), workers)
        typer.echo(f"data set: {output}")
