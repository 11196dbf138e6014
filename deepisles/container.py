"""The container's entry point: one case from /input to /output, Grand Challenge or plain files."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn, get_args

from deepisles.case.layouts import find_plain_case
from deepisles.case.source import SeriesChoice
from deepisles.cpu_threads import wait_passively
from deepisles.errors import DeepIslesError, InputRefused
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
from deepisles.progress import Progress
from deepisles.reports.picture_choice import PictureChoice
from deepisles.segmenting import load_ensemble, segment_files

if TYPE_CHECKING:
    from deepisles.ensemble import Ensemble

INPUT: Final = Path("/input")
OUTPUT: Final = Path("/output")
UNEXPECTED_EXIT_CODE: Final = 1
USAGE_EXIT_CODE: Final = 2
INTERRUPTED_EXIT_CODE: Final = 130
MAX_SENTENCE_LENGTH: Final = 1000
"""Grand Challenge shows the last line of stderr, cut at 1024 characters."""

logger = logging.getLogger(__name__)


class StageLog:
    """One line per finished stage, for the container's log."""

    def start(self, stage: str) -> None:
        """Do nothing: a stage is told when it has ended."""

    def advance(self, stage: str, done: int, total: int) -> None:
        """Do nothing: windows are too many for a log."""

    def finish(self, stage: str, seconds: float) -> None:
        """Log a stage and its seconds."""
        logger.info("%s: %.1f s", stage, seconds)


def run_container(
    input_folder: Path,
    output_folder: Path,
    options: SegmentOptions,
    progress: Progress | None = None,
    series: SeriesChoice | None = None,
    load: Callable[[SegmentOptions], Ensemble] = load_ensemble,
) -> None:
    """Segment the case in `input_folder`: what both front ends do, the process for one case and the server.

    Parameters
    ----------
    input_folder : Path
        A Grand Challenge tree, dwi.*, adc.* and flair.* as plain files or DICOM, or the DICOM of a study.
    output_folder : Path
        Gets exactly the declared sockets of Grand Challenge, or for plain files the output folder of
        `deepisles segment`.
    options : SegmentOptions
        How to segment.
    progress : Progress, optional
        Who watches.
    series : SeriesChoice, optional
        Series that are to be taken from DICOM.
    load : callable, optional
        Gives the networks for the options, after the input was looked at; a server has them already.

    Raises
    ------
    DeepIslesError
        If the case fails.
    """
    from deepisles.grandchallenge.execute import apply_settings, check_output, run_case
    from deepisles.grandchallenge.inputs import is_grand_challenge_tree, resolve_inputs

    # what can be refused is refused before the weights are loaded
    if is_grand_challenge_tree(input_folder):
        if options.dicom_output != "off":
            raise InputRefused("A Grand Challenge case has no DICOM output: leave out --dicom-output.")
        inputs = resolve_inputs(input_folder)
        check_output(output_folder, inputs)
        run_case(inputs, output_folder, load(apply_settings(options, inputs)), options, progress)
    else:
        source = replace(find_plain_case(input_folder), series=series or SeriesChoice())
        result = segment_files(load(options), source, options, progress)
        result.save(output_folder, options.save_members, options.pictures)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the container's one case and say how it went.

    Success leaves stderr empty; on failure its last line is one plain sentence.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; by default the process's own.

    Returns
    -------
    int
        Exit code: 0, or that of the error.
    """
    chosen = begin(make_parser(), arguments)
    try:
        run_container(chosen.input, chosen.output, read_options(chosen), StageLog(), read_series(chosen))
    except (Exception, KeyboardInterrupt) as error:  # the outermost frame: whatever comes here ends in one sentence
        return fail(error)
    return 0


def begin(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Set up threads, streams, the log and SIGTERM, which ends a container as Ctrl-C does, and read the flags."""
    wait_passively()
    _set_up_streams()
    chosen = parser.parse_args(arguments)
    _set_up_logging(chosen.debug)
    # a plain SIGTERM would leave the registration's process behind
    signal.signal(signal.SIGTERM, _interrupt)
    return chosen


def explain(error: BaseException) -> tuple[str, int]:
    """Put an error into one plain sentence that may be shown to anybody, with its exit code."""
    if isinstance(error, DeepIslesError):
        sentence, exit_code = str(error), error.exit_code
    elif isinstance(error, MemoryError):
        sentence, exit_code = "The machine ran out of memory: run the case on one with more.", UNEXPECTED_EXIT_CODE
    elif isinstance(error, KeyboardInterrupt):
        sentence, exit_code = "The case was interrupted.", INTERRUPTED_EXIT_CODE
    else:
        sentence = f"Unexpected error ({type(error).__name__}): run again with --debug and report what it shows."
        exit_code = UNEXPECTED_EXIT_CODE
    return " ".join(sentence.split())[:MAX_SENTENCE_LENGTH], exit_code


def fail(error: BaseException) -> int:
    """Say an error's sentence on stderr, as its last line, and give its exit code."""
    logger.debug("the case ended here", exc_info=error)
    sentence, exit_code = explain(error)
    sys.stderr.write(f"{sentence}\n")
    return exit_code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_EXIT_CODE, f"The command line is not understood, {message}: see --help.\n")


def make_parser(prog: str = "process.py", description: str = "Segment one case.") -> argparse.ArgumentParser:
    """Make the parser of the flags that the process and the server share: those of `deepisles segment`."""
    parser = _Parser(
        prog=prog,
        description=f"{description} For research use; not a medical device.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--input", type=Path, default=INPUT, help="Grand Challenge tree; dwi.*, adc.*, flair.*; or DICOM"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the results")
    parser.add_argument("--dwi-series", help="DICOM series to take as DWI: its number or UID")
    parser.add_argument("--adc-series", help="DICOM series to take as ADC map")
    parser.add_argument("--flair-series", help="DICOM series to take as FLAIR; none: go on without")
    parser.add_argument("--weights", type=Path, help="weights bundle, or the published tree")
    parser.add_argument("--members", help="some of seals,nvauto,swan; without it all")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:0")
    parser.add_argument("--profile", choices=get_args(Profile), default="exact", help=PROFILE_HELP)
    parser.add_argument(
        "--registration",
        choices=get_args(Registration),
        default="auto",
        help=REGISTRATION_HELP,
    )
    parser.add_argument(
        "--brain-extraction",
        choices=get_args(BrainExtractionMode),
        default="auto",
        help="auto: images that show more than the brain; on: all; off: none",
    )
    parser.add_argument(
        "--territory",
        choices=get_args(TerritoryMode),
        default="auto",
        help="auto: name the vascular territory where an atlas is installed",
    )
    parser.add_argument("--atlas", type=Path, help="atlas of arterial territories instead of the installed one")
    parser.add_argument(
        "--mni", action=argparse.BooleanOptionalAction, help="write images, mask and transforms in MNI152 space too"
    )
    parser.add_argument(
        "--consensus",
        choices=get_args(ConsensusRule),
        default="original",
        help="original: 2 of 3, else SEALS alone; mean: mean probability above one half",
    )
    parser.add_argument("--vote-weights", default="", help="weight per member, for example seals=2,swan=1")
    parser.add_argument(
        "--allow-degraded", action=argparse.BooleanOptionalAction, help="let the others vote when a member fails"
    )
    parser.add_argument(
        "--save-members", action=argparse.BooleanOptionalAction, help="write each member's mask and probability"
    )
    parser.add_argument(
        "--dicom-output",
        choices=get_args(DicomOutput),
        default="off",
        help="DICOM SEG and SR; source: on the DWI's own DICOM series; derived: on one made of the DWI",
    )
    parser.add_argument(
        "--dicom-probability",
        action=argparse.BooleanOptionalAction,
        help="with DICOM output, the probability as DICOM SEG",
    )
    parser.add_argument(
        "--pictures",
        choices=get_args(PictureChoice),
        default="viewer",
        help="viewer: overview.png, and a viewer in report.html; static: no viewer; none: text alone",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks and debug messages")
    return parser


def read_options(chosen: argparse.Namespace) -> SegmentOptions:
    """Read how to segment from the flags.

    Raises
    ------
    InputRefused
        If a list of members or weights is not understood.
    """
    return SegmentOptions(
        weights=chosen.weights,
        members=None if chosen.members is None else parse_members(chosen.members),
        device=chosen.device,
        profile=chosen.profile,
        registration=chosen.registration,
        brain_extraction=chosen.brain_extraction,
        territory=chosen.territory,
        atlas=chosen.atlas,
        mni=bool(chosen.mni),
        consensus=chosen.consensus,
        vote_weights=parse_vote_weights(chosen.vote_weights),
        allow_degraded=bool(chosen.allow_degraded),
        save_members=bool(chosen.save_members),
        dicom_output=chosen.dicom_output,
        dicom_probability=bool(chosen.dicom_probability),
        pictures=chosen.pictures,
        debug=chosen.debug,
    )


def read_series(chosen: argparse.Namespace) -> SeriesChoice:
    """Read the choice of DICOM series from the flags."""
    return SeriesChoice(chosen.dwi_series, chosen.adc_series, chosen.flair_series)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _set_up_streams() -> None:
    """Make both streams UTF-8 that cannot fail: one wrong byte breaks the platform's log reader."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _set_up_logging(debug: bool) -> None:
    """Log to stdout: anything on stderr turns a success into "succeeded, with warnings" on the platform."""
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s", force=True)
    logging.getLogger("deepisles").setLevel(logging.DEBUG if debug else logging.INFO)
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING if debug else logging.ERROR)
