"""Measures a case from its files to its folder."""

from __future__ import annotations

import resource
import tempfile
import time
from dataclasses import dataclass
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
    """Load the networks, segment a case and write its folder to a temporary place, taking times.

    The networks' work is not counted: `measure_runs` does that.
    """
    return _run_cold(files, options).cost


def measure_runs(files: CaseFiles, options: SegmentOptions, warm_runs: int = 0) -> BenchRecord:
    """Measure a case as `measure_case` does, and then some times more with the networks kept.

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
        What each run took, how much the networks did, and on what machine.
    """
    cold = _run_cold(files, options)
    cold_seconds = measure_process_seconds()
    ensemble, report = cold.ensemble, cold.result.report
    runs = [cold, *(_run(ensemble, files, options, _begin(ensemble.device)) for _ in range(warm_runs))]
    for run in runs:
        run.count_work()
    precisions = {stage.precision for run in runs for stage in run.cost.stages.values() if stage.precision}
    return BenchRecord(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        host=describe_host(ensemble.device),
        settings=BenchSettings(
            weights=report.weights.bundle,
            weights_digest=report.weights.digest,
            members=tuple(member.name for member in ensemble.members),
            profile=options.profile,
            registration=options.registration,
            size=report.inputs.grid.size,
            spacing_mm=report.inputs.grid.spacing_mm,
        ),
        peaks={precision: find_peak(ensemble.device, precision) for precision in sorted(precisions)},
        cold_seconds=cold_seconds,
        cold=cold.cost,
        warm=tuple(run.cost for run in runs[1:]),
    )


@dataclass(frozen=True)
class _Beginning:
    """When a run began, and who takes its times from then on."""

    recorder: CostRecorder
    seconds: float


@dataclass(frozen=True)
class _Run:
    """One run: what it took, what came out, and what is needed to count its work."""

    ensemble: Ensemble
    result: EnsembleResult
    recorder: CostRecorder
    cost: CaseCost

    def count_work(self) -> None:
        """Enter the operations that every member's networks did."""
        entries = dict(self.ensemble.bundle.manifest.members.items())
        for member in self.ensemble.members:
            specs = [entry.architecture for entry in entries[member.name].networks]
            if member.name in self.cost.stages:
                windows = self.recorder.windows[member.name]
                self.cost.stages[member.name].tflop = count_tflop(member.networks, specs, windows)


def _begin(device: torch.device) -> _Beginning:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return _Beginning(CostRecorder(device), time.perf_counter())


def _run_cold(files: CaseFiles, options: SegmentOptions) -> _Run:
    beginning = _begin(choose_device(options.device))
    beginning.recorder.start("load")
    ensemble = load_ensemble(options)
    beginning.recorder.finish("load", 0.0)
    return _run(ensemble, files, options, beginning)


def _run(ensemble: Ensemble, files: CaseFiles, options: SegmentOptions, beginning: _Beginning) -> _Run:
    recorder, device = beginning.recorder, ensemble.device
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    with recorder.watch_members(ensemble.members):
        result = segment_files(ensemble, CaseSource(files.dwi, files.adc, files.flair), options, recorder)
    with tempfile.TemporaryDirectory() as folder:
        recorder.start("write")
        result.save(folder)
        recorder.finish("write", 0.0)
    seconds = time.perf_counter() - beginning.seconds
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    if "register" in recorder.stages:
        cpu_seconds = ended.ru_utime + ended.ru_stime - children.ru_utime - children.ru_stime
        recorder.stages["register"].cpu_seconds = cpu_seconds
    is_cuda = device.type == "cuda"
    cost = CaseCost(
        device=describe_device(device),
        stages=recorder.stages,
        total_seconds=seconds,
        peak_memory_gb=(own.ru_maxrss + ended.ru_maxrss) / KIB_PER_GB,
        gpu_allocated_gb=recorder.gpu_allocated_bytes / BYTES_PER_GB if is_cuda else None,
        gpu_reserved_gb=recorder.gpu_reserved_bytes / BYTES_PER_GB if is_cuda else None,
    )
    return _Run(ensemble, result, recorder, cost)
