"""Measures a case from its files to its folder."""

from __future__ import annotations

import resource
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime

import torch

from deepisles.bench.cost import CaseCost
from deepisles.bench.document import BenchRecord, BenchSettings
from deepisles.bench.host import describe_host, measure_process_seconds
from deepisles.bench.network_work import count_tflop
from deepisles.bench.peak import find_peak
from deepisles.bench.recorder import CostRecorder
from deepisles.case.files import CaseFiles
from deepisles.case.source import CaseSource
from deepisles.device import choose_device, describe_device
from deepisles.ensemble import Ensemble, EnsembleResult
from deepisles.options import SegmentOptions
from deepisles.segmenting import load_ensemble, segment_files

KIB_PER_GB = 1024**2
BYTES_PER_GB = 1024**3


def measure_case(files: CaseFiles, options: SegmentOptions) -> CaseCost:
    """Load the networks, segment a case and write its folder to a temporary place, taking times."""
    return measure_runs(files, options).cold


def measure_runs(files: CaseFiles, options: SegmentOptions, warm_runs: int = 0) -> BenchRecord:
    """Do as `measure_case` does, and then segment the case some times more with the networks kept.

    Parameters
    ----------
    files : CaseFiles
        The case.
    options : SegmentOptions
        How it is to be segmented.
    warm_runs : int
        How many times more.

    Returns
    -------
    BenchRecord
        What each run took, what did the work, and on what.
    """
    device = choose_device(options.device)
    recorder, started = CostRecorder(device), _start(device)
    recorder.start("load")
    ensemble = load_ensemble(options)
    recorder.finish("load", 0.0)
    cold, result = _run(ensemble, files, options, recorder, started)
    cold_seconds = measure_process_seconds()
    warm = [_run(ensemble, files, options, CostRecorder(device), _start(device))[0] for _ in range(warm_runs)]
    precisions = {stage.precision for run in (cold, *warm) for stage in run.stages.values() if stage.precision}
    report = result.report
    return BenchRecord(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        host=describe_host(device),
        settings=BenchSettings(
            weights=report.weights.bundle,
            weights_digest=report.weights.digest,
            members=tuple(member.name for member in ensemble.members),
            profile=options.profile,
            registration=options.registration,
            size=report.inputs.grid.size,
            spacing_mm=report.inputs.grid.spacing_mm,
        ),
        # after the runs, which a measured peak would heat the processor for
        peaks={precision: find_peak(device, precision) for precision in sorted(precisions)},
        cold_seconds=cold_seconds,
        cold=cold,
        warm=tuple(warm),
    )


def _start(device: torch.device) -> float:
    """Begin a run: its own peak of GPU memory, and its clock."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return time.perf_counter()


def _run(
    ensemble: Ensemble, files: CaseFiles, options: SegmentOptions, recorder: CostRecorder, started: float
) -> tuple[CaseCost, EnsembleResult]:
    """Segment and write once, from a start that may lie before loading."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    with ExitStack() as stack:
        for member in ensemble.members:
            stack.enter_context(recorder.watch(member.name, member.networks))
        result = segment_files(ensemble, CaseSource(files.dwi, files.adc, files.flair), options, recorder)
    with tempfile.TemporaryDirectory() as folder:
        recorder.start("write")
        result.save(folder)
        recorder.finish("write", 0.0)
    total_seconds = time.perf_counter() - started
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "register" in recorder.stages:
        recorder.stages["register"].cpu_seconds = (
            child.ru_utime + child.ru_stime - children.ru_utime - children.ru_stime
        )
    _count_work(ensemble, recorder)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cost = CaseCost(
        device=describe_device(ensemble.device),
        stages=recorder.stages,
        total_seconds=total_seconds,
        peak_memory_gb=(own + child.ru_maxrss) / KIB_PER_GB,
    )
    if ensemble.device.type == "cuda":
        cost.gpu_allocated_gb = torch.cuda.max_memory_allocated(ensemble.device) / BYTES_PER_GB
        cost.gpu_reserved_gb = torch.cuda.max_memory_reserved(ensemble.device) / BYTES_PER_GB
    return cost, result


def _count_work(ensemble: Ensemble, recorder: CostRecorder) -> None:
    """Enter the operations that every member's networks did."""
    entries = dict(ensemble.bundle.manifest.members.items())
    for member in ensemble.members:
        specs = [entry.architecture for entry in entries[member.name].networks]
        if member.name in recorder.stages:
            recorder.stages[member.name].tflop = count_tflop(member.networks, specs, recorder.windows[member.name])
