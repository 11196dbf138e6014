"""The command line. Heavy imports wait inside the commands, so that `deepisles --help` is quick."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from deepisles import __version__
from deepisles.case.source import CaseSource, SeriesChoice
from deepisles.cli_atlas import atlas_app
from deepisles.cli_bench import bench
from deepisles.cli_training import synthesise, train
from deepisles.cpu_threads import wait_passively
from deepisles.options import (
    PROFILE_HELP,
    REGISTRATION_HELP,
    BrainExtractionMode,
    ConsensusRule,
    DicomOutput,
    Profile,
    Registration,
    SegmentOptions,
    TerritoryMode,
    parse_members,
    parse_vote_weights,
)
from deepisles.plain_errors import Debug, plain_errors
from deepisles.reports.picture_choice import PictureChoice

app = typer.Typer(
    name="deepisles",
    help="Segment acute ischemic stroke on MRI. For research use; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
weights_app = typer.Typer(help="Weights: fetch or import the published ones, verify, describe.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")
app.add_typer(atlas_app, name="atlas")
app.command()(train)
app.command()(synthesise)
app.command()(bench)


def main() -> None:
    """Run the command line."""
    wait_passively()
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deepisles {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command()
def segment(
    output: Annotated[Path, typer.Option(help="Folder for the results.", file_okay=False)],
    dwi: Annotated[
        Path | None,
        typer.Option(help="Diffusion-weighted image, b about 1000 (.nii, .nii.gz, .mha, or DICOM: folder or .zip)."),
    ] = None,
    adc: Annotated[Path | None, typer.Option(help="Apparent diffusion coefficient map.")] = None,
    flair: Annotated[Path | None, typer.Option(help="FLAIR; without it SWAN cannot run.")] = None,
    input_folder: Annotated[
        Path | None,
        typer.Option("--input", help="Instead of the three: a folder with dwi.*, adc.*, flair.*, or a study in DICOM."),
    ] = None,
    dwi_series: Annotated[str | None, typer.Option(help="DICOM series to take as DWI: its number or UID.")] = None,
    adc_series: Annotated[str | None, typer.Option(help="DICOM series to take as ADC map.")] = None,
    flair_series: Annotated[
        str | None, typer.Option(help="DICOM series to take as FLAIR; none: go on without.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights bundle, or the published tree.")] = None,
    members: Annotated[str | None, typer.Option(help="Some of seals,nvauto,swan; default all.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:0.")] = "auto",
    profile: Annotated[Profile, typer.Option(help=f"{PROFILE_HELP}.")] = "exact",
    registration: Annotated[Registration, typer.Option(help=f"{REGISTRATION_HELP}.")] = "auto",
    brain_extraction: Annotated[
        BrainExtractionMode, typer.Option(help="auto: images that show more than the brain; on: all; off: none.")
    ] = "auto",
    territory: Annotated[
        TerritoryMode, typer.Option(help="auto: name the vascular territory where an atlas is installed.")
    ] = "auto",
    atlas: Annotated[
        Path | None, typer.Option(help="Atlas of arterial territories instead of the installed one.")
    ] = None,
    mni: Annotated[bool, typer.Option(help="Write images, mask and transforms in MNI152 space too.")] = False,
    consensus: Annotated[
        ConsensusRule, typer.Option(help="original: 2 of 3, else SEALS alone; mean: mean probability above one half.")
    ] = "original",
    vote_weights: Annotated[str, typer.Option(help="Weight per member, for example seals=2,swan=1.")] = "",
    allow_degraded: Annotated[bool, typer.Option(help="Let the others vote when a member fails.")] = False,
    save_members: Annotated[bool, typer.Option(help="Write each member's mask and probability.")] = False,
    dicom_output: Annotated[
        DicomOutput,
        typer.Option(help="DICOM SEG and SR. source: on the DWI's own DICOM series; derived: on one made of the DWI."),
    ] = "off",
    dicom_probability: Annotated[bool, typer.Option(help="With DICOM output, the probability as DICOM SEG.")] = False,
    pictures: Annotated[
        PictureChoice,
        typer.Option(help="viewer: overview.png, and a viewer in report.html; static: no viewer; none: text alone."),
    ] = "viewer",
    debug: Debug = False,
) -> None:
    """Segment one case."""
    with plain_errors(debug):
        from deepisles.case.layouts import find_plain_case, is_dicom_place
        from deepisles.errors import InputRefused

        options = SegmentOptions(
            weights=weights,
            members=None if members is None else parse_members(members),
            device=device,
            profile=profile,
            registration=registration,
            brain_extraction=brain_extraction,
            territory=territory,
            atlas=atlas,
            mni=mni,
            consensus=consensus,
            vote_weights=parse_vote_weights(vote_weights),
            allow_degraded=allow_degraded,
            save_members=save_members,
            dicom_output=dicom_output,
            dicom_probability=dicom_probability,
            pictures=pictures,
            debug=debug,
        )
        if input_folder is not None:
            if dwi or adc or flair:
                raise InputRefused("Give either --input or --dwi, --adc and --flair, not both.")
            source = find_plain_case(input_folder)
        elif dwi is None or (adc is None and not is_dicom_place(dwi)):
            raise InputRefused("DWI and ADC are needed: give --dwi and --adc, or --input with a folder.")
        else:
            source = CaseSource(dwi, adc, flair)
        series = SeriesChoice(dwi_series, adc_series, flair_series)
        _segment_files(replace(source, series=series), output, options)


def _segment_files(source: CaseSource, output: Path, options: SegmentOptions) -> None:
    from deepisles.segmenting import load_ensemble, segment_files
    from deepisles.terminal import TerminalProgress

    ensemble = load_ensemble(options)
    with TerminalProgress() as progress:
        result = segment_files(ensemble, source, options, progress)
    result.save(output, options.save_members, options.pictures)
    report = result.report
    typer.echo(f"{report.verdict}: {report.lesion_volume_ml:.2f} ml in {report.lesion_count} lesion(s)")
    for warning in (*report.warnings, *filter(None, [report.degraded_reason])):
        typer.echo(f"note: {warning}")
    typer.echo(f"mask:   {output / 'lesion_mask.nii.gz'}")
    typer.echo(f"report: {output / 'report.html'}")


@app.command(
    # --help too is the server's own: its flags are those of the container's process
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
def serve(context: typer.Context) -> None:
    """Load the networks and segment a case per HTTP request (Grand Challenge's "invoke" interface)."""
    from deepisles.grandchallenge.serve import run

    run(context.args)


@weights_app.command("import")
def import_weights(
    source: Annotated[Path, typer.Argument(help="Published tree: a folder with SEALS/, NVAUTO/, FACTORIZER/.")],
    destination: Annotated[Path, typer.Argument(help="Folder for the bundle.")],
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "published",
    debug: Debug = False,
) -> None:
    """Turn the published checkpoints into a bundle."""
    with plain_errors(debug):
        from deepisles.weights.import_published import import_published

        import_published(source, destination, name)
        typer.echo(f"bundle: {destination}")


@weights_app.command("fetch")
def fetch_published(
    destination: Annotated[Path | None, typer.Argument(help="Folder for the bundle; default models/published.")] = None,
    archive: Annotated[
        Path | None, typer.Option("--file", help="The archive, downloaded already; then no network is used.")
    ] = None,
    url: Annotated[
        list[str] | None, typer.Option(help="Download the archive from there; give several to try them in order.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="The archive's, sha256:... or md5:...; default what the record says.")
    ] = None,
    record: Annotated[str | None, typer.Option(help="Address of another Zenodo record's metadata.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Fetch again what is there already.")] = False,
    debug: Debug = False,
) -> None:
    """Download the published weights (9 GB) and turn them into a bundle; goes on where it was cut."""
    with plain_errors(debug):
        from deepisles.weights.description import summarise_member
        from deepisles.weights.fetching.fetch import NAME, FetchOptions, fetch_weights
        from deepisles.weights.fetching.progress import TerminalFetchProgress
        from deepisles.weights.fetching.published_archive import RECORD_ADDRESS
        from deepisles.weights.locate import MODELS_FOLDER

        place = destination or MODELS_FOLDER / NAME
        options = FetchOptions(archive, tuple(url or ()), digest, record or RECORD_ADDRESS, replace)
        with TerminalFetchProgress() as progress:
            fetched = fetch_weights(place, options, progress)
        for name, member in fetched.bundle.manifest.members.items():
            typer.echo(summarise_member(name, member.networks))
        typer.echo(f"archive: {fetched.archive or 'none fetched, the bundle was there and is whole; see --replace'}")
        typer.echo(f"digest:  sha256:{fetched.bundle.digest}")
        typer.echo(f"bundle:  {place}")


@weights_app.command("random")
def write_random_weights(
    destination: Annotated[Path, typer.Argument(help="Folder for the bundle.")],
    like: Annotated[str, typer.Option(help="As large as these: published, or the folder of a bundle.")] = "published",
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    debug: Debug = False,
) -> None:
    """Make a bundle of random weights, which finds nothing, to measure speed with (published: 6.6 GB)."""
    with plain_errors(debug):
        from deepisles.weights.description import summarise_member
        from deepisles.weights.random_bundle import write_random_bundle

        manifest = write_random_bundle(destination, like, seed)
        for name, member in manifest.members.items():
            typer.echo(summarise_member(name, member.networks))
        typer.echo(f"bundle: {destination} (random numbers: it finds nothing)")


@weights_app.command("verify")
def verify_weights(
    bundle: Annotated[Path | None, typer.Argument(help="Bundle; default the one that segment would take.")] = None,
    debug: Debug = False,
) -> None:
    """Check every file of a bundle against its digest."""
    with plain_errors(debug):
        from deepisles.weights.locate import open_weights

        opened = open_weights(bundle)
        opened.verify()
        typer.echo(f"{opened.manifest.name}: every file is what bundle.json says ({opened.digest})")


@weights_app.command("info")
def describe_weights(
    bundle: Annotated[Path | None, typer.Argument(help="Bundle; default the one that segment would take.")] = None,
    debug: Debug = False,
) -> None:
    """Describe a bundle: members, networks, sizes, digests."""
    with plain_errors(debug):
        from deepisles.weights.locate import open_weights

        typer.echo(open_weights(bundle).describe())
