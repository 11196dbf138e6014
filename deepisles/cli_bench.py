"""The command of the command line that measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepisles.options import PROFILE_HELP, REGISTRATION_HELP, Profile, Registration, SegmentOptions, parse_members
from deepisles.plain_errors import Debug, plain_errors

if TYPE_CHECKING:
    from deepisles.bench.request import BenchRequest


def bench(
    dwi: Annotated[Path | None, typer.Option(help="Diffusion-weighted image; without images the sample case.")] = None,
    adc: Annotated[Path | None, typer.Option(help="Apparent diffusion coefficient map.")] = None,
    flair: Annotated[Path | None, typer.Option(help="FLAIR.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights bundle, or the published tree.")] = None,
    members: Annotated[str | None, typer.Option(help="Some of seals,nvauto,swan; default all.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:0.")] = "auto",
    profile: Annotated[Profile, typer.Option(help=f"{PROFILE_HELP}.")] = "exact",
    registration: Annotated[Registration, typer.Option(help=f"{REGISTRATION_HELP}.")] = "auto",
    warm: Annotated[int, typer.Option(min=0, help="Times that the case is run again with the networks kept.")] = 0,
    original: Annotated[Path | None, typer.Option(help="The original's times, for ratios.")] = None,
    original_way: Annotated[
        bool, typer.Option("--original-way", help="In turn with the original's way of working, and the ratios.")
    ] = False,
    against: Annotated[
        str | None, typer.Option(metavar="REVISION|PROFILE", help="In turn with another revision or profile.")
    ] = None,
    profiles: Annotated[
        bool, typer.Option("--profiles", help="Every profile: seconds, and the mask against exact's.")
    ] = False,
    scaling: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Time and memory by image size and networks: a picture, and JSON beside."
        ),
    ] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the members' time beside a calibration's there.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="How often what runs in turn is repeated.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers there too.")] = None,
    debug: Debug = False,
) -> None:
    """Measure what a case costs, stage by stage, or compare ways of running it."""
    with plain_errors(debug):
        from deepisles.bench.request import BenchRequest, count_threads
        from deepisles.bench.sample_case import take_case
        from deepisles.errors import InputRefused

        if sum(map(bool, (original_way, against, profiles, scaling, history))) > 1:
            raise InputRefused("Give one of --original-way, --against, --profiles, --scaling and --history.")
        files = take_case(dwi, adc, flair)
        names = None if members is None else parse_members(members)
        options = SegmentOptions(
            weights=weights, members=names, device=device, profile=profile, registration=registration
        )
        request = BenchRequest(files, options, count_threads())
        if original_way:
            text, told = _beside_original(request, repeat)
        elif against is not None:
            text, told = _against(against, request, repeat)
        elif profiles:
            text, told = _profiles(request, repeat)
        elif scaling is not None:
            text, told = _scaling(request, scaling)
        elif history is not None:
            text, told = _history(request, repeat, history)
        else:
            text, told = _stages(request, warm, original)
        typer.echo(text)
        if json_file is not None:
            json_file.write_text(told + "\n", encoding="utf-8")


def _stages(request: BenchRequest, warm: int, original: Path | None) -> tuple[str, str]:
    from deepisles.bench.document import to_json
    from deepisles.bench.measure import measure_runs
    from deepisles.bench.original_times import read_original_seconds
    from deepisles.bench.table import tabulate

    times = None if original is None else read_original_seconds(original)
    record = measure_runs(request.files, request.options, warm)
    return tabulate(record, times), to_json(record)


def _beside_original(request: BenchRequest, repeat: int) -> tuple[str, str]:
    from deepisles.bench.beside_original import describe_pairs, measure_pairs, tabulate_pairs

    pairs = measure_pairs(request, repeat)
    return tabulate_pairs(pairs, request.threads), json.dumps(describe_pairs(pairs, request), indent=1)


def _against(name: str, request: BenchRequest, repeat: int) -> tuple[str, str]:
    from deepisles.bench.against import describe_contest, measure_against, tabulate_contest

    contest = measure_against(name, request, repeat)
    return tabulate_contest(contest), json.dumps(describe_contest(contest, request), indent=1)


def _profiles(request: BenchRequest, repeat: int) -> tuple[str, str]:
    from deepisles.bench.profile_table import describe_profiles, measure_profiles, tabulate_profiles

    runs = measure_profiles(request, repeat)
    return tabulate_profiles(runs), json.dumps(describe_profiles(runs, request), indent=1)


def _scaling(request: BenchRequest, picture: Path) -> tuple[str, str]:
    from deepisles.bench.scaling import describe_scaling, measure_scaling, tabulate_scaling
    from deepisles.bench.scaling_picture import draw_scaling

    scaling = measure_scaling(request)
    told = json.dumps(describe_scaling(scaling, request), indent=1)
    draw_scaling(scaling, picture)
    picture.with_suffix(".json").write_text(told + "\n", encoding="utf-8")
    return tabulate_scaling(scaling), told


def _history(request: BenchRequest, repeat: int, folder: Path) -> tuple[str, str]:
    from deepisles.bench.history import judge, read_history, write_entry
    from deepisles.bench.speed import measure_speed

    earlier = read_history(folder)
    entry = measure_speed(request, repeat)
    path = write_entry(entry, folder)
    text = f"{entry.describe()}\n{judge(entry, earlier).describe()}\nwritten: {path}"
    return text, entry.model_dump_json(indent=1)
