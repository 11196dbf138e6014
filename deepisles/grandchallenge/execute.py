"""One Grand Challenge case: the declared outputs in /output, all of them or none."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from deepisles.case.formats import METAIMAGE_SUFFIX, split_name
from deepisles.case.source import CaseSource
from deepisles.errors import OutputError
from deepisles.grandchallenge.inputs import GrandChallengeInputs
from deepisles.grandchallenge.sockets import COUNT, DWI, REPORT, RESULTS, SEGMENTATION, THUMBNAIL, VOLUME
from deepisles.options import SegmentOptions
from deepisles.progress import Progress
from deepisles.reports.images import write_bytes, write_volume
from deepisles.reports.overview import draw_thumbnail
from deepisles.segmenting import segment_files

if TYPE_CHECKING:
    from deepisles.ensemble import Ensemble, EnsembleResult
    from deepisles.reports.report import Report


def run_case(
    inputs: GrandChallengeInputs,
    output: Path,
    ensemble: Ensemble,
    options: SegmentOptions,
    progress: Progress | None = None,
) -> None:
    """Segment a case and write the declared outputs.

    Parameters
    ----------
    inputs : GrandChallengeInputs
        What `resolve_inputs` found.
    output : Path
        /output, or a folder like it; made if absent.
    ensemble : Ensemble
        The loaded members.
    options : SegmentOptions
        How to segment; weights, device and members are the ensemble's own, and the case's settings come first.
    progress : Progress, optional
        Who watches.

    Raises
    ------
    DeepIslesError
        If the case fails; then nothing is left in `output`.
    """
    check_output(output, inputs)
    source = CaseSource(inputs.files.dwi, inputs.files.adc, inputs.files.flair)
    result = segment_files(ensemble, source, apply_settings(options, inputs), progress)
    write_outputs(output, result, inputs.files.dwi.name)


def apply_settings(options: SegmentOptions, inputs: GrandChallengeInputs) -> SegmentOptions:
    """Let a case's settings change the options: skull_strip strips in any case, a profile replaces the container's.

    False is what the platform sends where nobody chose, so it leaves the option as it is: "auto" leaves stripped images
    alone and strips the others, which nobody can want unstripped.
    """
    settings = inputs.settings
    return replace(
        options,
        brain_extraction="on" if settings.skull_strip else options.brain_extraction,
        profile=settings.profile or options.profile,
    )


def check_output(output: Path, inputs: GrandChallengeInputs) -> None:
    """See to it that the outputs of one case can be written, before the case is computed.

    Raises
    ------
    OutputError
        If `output` is no folder or not writable, or holds another case's mask.
    """
    existing = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"The output folder {output} cannot be written to: check its permissions.")
    masks = {entry.name for entry in (output / SEGMENTATION.relative_path).glob("*")}
    # the platform rejects a socket with two images
    if masks - {_name_mask(inputs.files.dwi.name)}:
        raise OutputError(f"The output folder {output} holds the segmentation of another case: empty it first.")


def write_outputs(output: Path, result: EnsembleResult, dwi_file_name: str) -> None:
    """Write the declared outputs: mask, volume, count, report, thumbnail and the results.json of ISLES'22.

    Everything is written to a hidden folder first and then renamed, so that a failure leaves nothing behind.

    Parameters
    ----------
    output : Path
        /output, or a folder like it; made if absent.
    result : EnsembleResult
        The segmented case.
    dwi_file_name : str
        The name of the DWI's file, after which the mask is named.

    Raises
    ------
    OutputError
        If something cannot be written.
    """
    mask_name = _name_mask(dwi_file_name)
    mask_path = f"{SEGMENTATION.relative_path}/{mask_name}"
    images = {name: volume.array for name, volume in result.images.by_name().items()}
    contents = {
        VOLUME: _as_json(result.report.lesion_volume_ml),
        COUNT: _as_json(result.report.lesion_count),
        REPORT: _as_json(_leave_out_times(result.report).model_dump(mode="json")),
        THUMBNAIL: draw_thumbnail(images, result.mask.array, result.mask.grid),
        RESULTS: _as_json(_list_legacy_results(mask_name, dwi_file_name)),
    }
    with _staging_folder(output) as staging:
        write_volume(staging / mask_path, result.mask.array, result.mask.grid)
        for socket, content in contents.items():
            write_bytes(staging / socket.relative_path, content)
        _publish(staging, output, (mask_path, *(socket.relative_path for socket in contents)))


def _name_mask(dwi_file_name: str) -> str:
    return split_name(PurePath(dwi_file_name))[0] + METAIMAGE_SUFFIX


def _list_legacy_results(mask_name: str, dwi_file_name: str) -> list[Mapping[str, Any]]:
    """List the outputs in the shape that ISLES'22 test scripts compare letter by letter."""
    return [
        {
            "outputs": [{"type": "Image", "slug": SEGMENTATION.slug, "filename": mask_name}],
            "inputs": [{"type": "Image", "slug": DWI.slug, "filename": dwi_file_name}],
        }
    ]


def _leave_out_times(report: Report) -> Report:
    """Make the same file of the same case, whenever it is run; the log tells how long stages took."""
    brain = report.brain_extraction
    return report.model_copy(
        update={
            "timing_seconds": {},
            "members": tuple(member.model_copy(update={"seconds": None}) for member in report.members),
            "brain_extraction": brain and brain.model_copy(update={"seconds": None}),
        }
    )


def _as_json(document: Any) -> bytes:  # noqa: ANN401 - any JSON value
    return (json.dumps(document, allow_nan=False, indent=2) + "\n").encode()


@contextmanager
def _staging_folder(output: Path) -> Iterator[Path]:
    """Give a hidden folder inside `output`, on the same disk, and remove it whatever happens."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".deepisles-", dir=output))
    except OSError as error:
        raise OutputError(f"The output folder {output} cannot be written to: check its permissions.") from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, output: Path, paths: tuple[str, ...]) -> None:
    """Rename the finished files into place; if one cannot be, take back the others."""
    published: list[Path] = []
    try:
        for path in paths:
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).replace(output / path)
            published.append(output / path)
    except OSError as error:
        for target in published:
            target.unlink(missing_ok=True)
        raise OutputError(f"The outputs cannot be put into {output}: check its permissions and free space.") from error
