"""A child process that segments one case and tells seconds and peak memory."""

from __future__ import annotations

import time
from typing import Any

import torch

from deepisles.bench.children import answer_request, read_peak_memory_gb
from deepisles.bench.recorder import CostRecorder
from deepisles.bench.request import BenchRequest
from deepisles.case.source import CaseSource
from deepisles.segmenting import load_ensemble, segment_files

BYTES_PER_GB = 1024**3


def answer(told: dict[str, Any]) -> dict[str, Any]:
    """Segment the case of a request, its networks loaded before."""
    request = BenchRequest.from_json(told)
    torch.set_num_threads(request.threads)
    files = request.files
    ensemble = load_ensemble(request.options)
    recorder = CostRecorder(ensemble.device)
    started = time.perf_counter()
    with recorder.watch_members(ensemble.members):
        result = segment_files(ensemble, CaseSource(files.dwi, files.adc, files.flair), request.options, recorder)
    seconds = time.perf_counter() - started
    on_gpu = ensemble.device.type == "cuda"
    return {
        "device": result.report.software.device,
        "seconds": seconds,
        "stages": dict(result.report.timing_seconds),
        "voxels": result.mask.array.size,
        "windows": {name: counted.total() for name, counted in recorder.windows.items() if counted},
        "networks": sum(len(member.networks) for member in ensemble.members),
        "peak_memory_gb": read_peak_memory_gb(),
        "peak_gpu_memory_gb": torch.cuda.max_memory_reserved() / BYTES_PER_GB if on_gpu else None,
    }


if __name__ == "__main__":
    answer_request(answer)
