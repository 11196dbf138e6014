"""The profiles side by side: what each saves, and what it changes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from deepisles.bench.request import BenchRequest
from deepisles.bench.spread import Spread
from deepisles.case.source import CaseSource
from deepisles.evaluation.metrics import compare_masks
from deepisles.options import Profile
from deepisles.segmenting import load_ensemble, segment_files

if TYPE_CHECKING:
    from deepisles.ensemble import Ensemble

EXACT: Profile = "exact"


@dataclass(frozen=True)
class ProfileRun:
    """One case in one profile.

    Parameters
    ----------
    seconds : float
        From the files to the report, the networks being loaded.
    stages : mapping
        Seconds by stage.
    mask : numpy.ndarray
        (z, y, x).
    volume_ml : float
        The mask's.
    voxel_volume_ml : float
        One voxel's.
    """

    seconds: float
    stages: Mapping[str, float]
    mask: NDArray[np.uint8]
    volume_ml: float
    voxel_volume_ml: float


Runs = Mapping[Profile, Sequence[ProfileRun]]


def measure_profiles(request: BenchRequest, repeats: int) -> dict[Profile, list[ProfileRun]]:
    """Run the case in every profile in turn, on the same loaded networks; a first run in exact is not counted.

    Raises
    ------
    DeepIslesError
        If a case cannot be segmented.
    """
    # a cheaper profile would not load all networks
    ensemble = load_ensemble(replace(request.options, profile=EXACT))
    _run(ensemble, request, EXACT)
    runs: dict[Profile, list[ProfileRun]] = {profile: [] for profile in get_args(Profile)}
    for _ in range(repeats):
        for profile, done in runs.items():
            done.append(_run(ensemble, request, profile))
    return runs


def compare_profiles(runs: Runs) -> dict[Profile, dict[str, Any]]:
    """Compare every profile with exact: seconds, ratio of the seconds, Dice of the masks, change of the volume."""
    compared: dict[Profile, dict[str, Any]] = {}
    exact = runs[EXACT]
    for profile, done in runs.items():
        agreement = compare_masks(done[0].mask, exact[0].mask, done[0].voxel_volume_ml)
        compared[profile] = {
            "seconds": asdict(Spread.of(run.seconds for run in done)),
            "exact_over_this": asdict(Spread.of(e.seconds / run.seconds for e, run in zip(exact, done, strict=True))),
            "dice": agreement.dice,
            "volume_ml": done[0].volume_ml,
            "volume_change_ml": done[0].volume_ml - exact[0].volume_ml,
        }
    return compared


def tabulate_profiles(runs: Runs) -> str:
    """Lay the comparison out as a table."""
    lines = [
        f"{len(runs[EXACT])} run(s) of each in turn, same loaded networks; ratios and masks against exact",
        f"{'profile':<12}{'seconds':>24}{'exact / this':>24}{'Dice':>8}{'volume ml':>12}{'change':>18}",
    ]
    for profile, told in compare_profiles(runs).items():
        exact_ml = told["volume_ml"] - told["volume_change_ml"]
        share = f" ({told['volume_change_ml'] / exact_ml:+.1%})" if exact_ml else ""
        seconds, ratio = Spread(**told["seconds"]), Spread(**told["exact_over_this"])
        change = f"{told['volume_change_ml']:+.2f}{share}"
        lines.append(
            f"{profile:<12}{seconds!s:>24}{ratio!s:>24}{told['dice']:>8.4f}{told['volume_ml']:>12.2f}{change:>18}"
        )
    return "\n".join(lines)


def describe_profiles(runs: Runs, request: BenchRequest) -> dict[str, Any]:
    """Put everything that was measured, masks aside, into what JSON can hold."""
    return {
        "kind": "profiles",
        "device": request.options.device,
        "threads": request.threads,
        "profiles": compare_profiles(runs),
        "stages": {profile: [dict(run.stages) for run in done] for profile, done in runs.items()},
    }


def _run(ensemble: Ensemble, request: BenchRequest, profile: Profile) -> ProfileRun:
    files = request.files
    started = time.perf_counter()
    result = segment_files(
        ensemble, CaseSource(files.dwi, files.adc, files.flair), replace(request.options, profile=profile)
    )
    seconds = time.perf_counter() - started
    voxel_ml = result.mask.grid.voxel_volume_ml
    return ProfileRun(seconds, result.report.timing_seconds, result.mask.array, result.volume_ml, voxel_ml)
