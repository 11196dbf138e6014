"""A child process that measures one case, once its process is as a front end's is."""

from __future__ import annotations

import time
from typing import Any

import torch

from deepisles.bench.children import answer_request
from deepisles.bench.measure import measure_case
from deepisles.bench.request import BenchRequest
from deepisles.cpu_memory import keep_freed_memory
from deepisles.device import choose_device


def answer(told: dict[str, Any]) -> dict[str, Any]:
    """Measure the case of a request; on a GPU a second time, once its kernels are loaded and chosen."""
    request = BenchRequest.from_json(told)
    torch.set_num_threads(request.threads)
    keep_freed_memory()
    cost = measure_case(request.files, request.options)
    started = time.perf_counter()
    if choose_device(request.options.device).type == "cuda":
        cost = measure_case(request.files, request.options)
    return {
        "device": cost.device,
        "again_seconds": time.perf_counter() - started,
        "total_seconds": cost.total_seconds,
        "stages": {
            name: {"wall_seconds": stage.wall_seconds, "network_seconds": stage.network_seconds}
            for name, stage in cost.stages.items()
        },
        "peak_memory_gb": cost.peak_memory_gb,
    }


if __name__ == "__main__":
    answer_request(answer)
