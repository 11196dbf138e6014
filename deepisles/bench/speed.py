"""A case's time as a multiple of a calibration's, taken in turn: what compares between machines and revisions."""

from __future__ import annotations

import platform
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import torch

from deepisles.bench.calibration import Calibration
from deepisles.bench.history import SpeedEntry, Timed
from deepisles.bench.larger_case import read_aligned, write_larger
from deepisles.bench.request import BenchRequest
from deepisles.case.files import CaseFiles
from deepisles.case.source import CaseSource
from deepisles.ensemble import Ensemble
from deepisles.members.member import MemberName
from deepisles.segmenting import load_ensemble, segment_files
from deepisles.software import find_revision

UNKNOWN_REVISION = "unknown"


def measure_speed(request: BenchRequest, pairs: int) -> SpeedEntry:
    """Measure a case's members in turn with the calibration, in this process; a first case is not counted.

    The FLAIR is laid on the DWI's grid by its headers, so that no registration runs beside the networks.

    Raises
    ------
    InputRefused, GeometryError
        If the case cannot be read.
    WeightsError
        If the weights are missing or damaged.
    """
    ensemble = load_ensemble(request.options)
    options = replace(request.options, registration="none", territory="off")
    with tempfile.TemporaryDirectory(prefix="deepisles-") as folder:
        case = read_aligned(request.files)
        files = write_larger(case, 1, Path(folder))
        request = replace(request, files=files, options=options)
        _time_case(ensemble, request)
        calibration = Calibration(ensemble.device)
        before = calibration.measure()
        timed: list[Timed] = []
        for _ in range(pairs):
            members, whole = _time_case(ensemble, request)
            after = calibration.measure()
            timed.append(Timed(calibration_seconds=(before + after) / 2, members=members, case_seconds=whole))
            before = after
    grid = case.dwi.grid
    return SpeedEntry(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        revision=find_revision() or UNKNOWN_REVISION,
        device=name_device(ensemble.device),
        torch=torch.__version__,
        python=platform.python_version(),
        threads=torch.get_num_threads(),
        bundle=ensemble.bundle.digest,
        bundle_name=ensemble.bundle.manifest.name,
        networks=sum(len(member.networks) for member in ensemble.members),
        profile=options.profile,
        case_shape_zyx=grid.shape,
        case_spacing_mm=grid.spacing_mm,
        timed=tuple(timed),
        ratio=median(each.ratio for each in timed),
    )


def name_device(device: torch.device) -> str:
    """Name a kind of device: a GPU by its model, a CPU by the instructions that its networks use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"


def _time_case(ensemble: Ensemble, request: BenchRequest) -> tuple[dict[MemberName, float], float]:
    files: CaseFiles = request.files
    started = time.perf_counter()
    result = segment_files(ensemble, CaseSource(files.dwi, files.adc, files.flair), request.options)
    whole = time.perf_counter() - started
    seconds = result.report.timing_seconds
    return {member.name: seconds[member.name] for member in ensemble.members if member.name in seconds}, whole
