"""A child process that measures one case."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from deepisles.bench.children import answer_request
from deepisles.bench.measure import measure_runs
from deepisles.bench.request import BenchRequest
from deepisles.device import choose_device


def answer(told: dict[str, Any]) -> dict[str, Any]:
    """Measure the case of a request; on a GPU a second time, once its kernels are loaded and chosen."""
    request = BenchRequest.from_json(told)
    torch.set_num_threads(request.threads)
    on_gpu = choose_device(request.options.device).type == "cuda"
    record = measure_runs(request.files, request.options, warm_runs=int(on_gpu))
    return {"cold_seconds": record.cold_seconds, "cold": asdict(record.cold), "typical": asdict(record.typical)}


if __name__ == "__main__":
    answer_request(answer)
