"""A process of the original: one SEALS fold, NVAUTO, or SWAN; loads its networks, works, ends."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from deepisles.bench.children import answer_request, read_peak_memory_gb
from deepisles.bench.original_way import nvauto, seals, swan
from deepisles.bench.original_way.clock import NetworkClock
from deepisles.bench.original_way.images import read_image
from deepisles.bench.original_way.task import Task
from deepisles.case.volume import Volume
from deepisles.device import choose_device
from deepisles.errors import InputRefused, WeightsError
from deepisles.preparation.registration import FlairRegistration, take_registered
from deepisles.reports.images import write_volume
from deepisles.weights.bundle import Bundle
from deepisles.weights.fewer_networks import take_networks

BYTES_PER_GB = 1024**3


class Worker:
    """Does one task; its clocks tell what it took."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.bundle = Bundle.open(task.weights)
        device = choose_device(task.device)
        # SEALS and NVAUTO run under fp16 autocast on CUDA, SWAN in fp32
        self.clock = NetworkClock(device, half=task.member != "swan")
        self.load_seconds = 0.0
        self.register_seconds = 0.0
        torch.set_num_threads(task.threads)
        # set by nnU-Net v1's trainer and by NVAUTO
        torch.backends.cudnn.benchmark = task.member != "swan"

    @torch.no_grad()
    def work(self) -> None:
        """Do it and write the answer."""
        task, entries = self.task, self.bundle.manifest.members
        dwi, adc = read_image(task.dwi, "DWI"), read_image(task.adc, "ADC")
        if task.member == "seals" and entries.seals is not None:
            (network,) = self._load([task.network or 0])
            seals.predict_fold(network, dwi, adc, entries.seals.settings, self.clock, task.output)
            return
        if task.member == "nvauto" and entries.nvauto is not None:
            everyone = range(len(entries.nvauto.networks))
            mask = nvauto.segment(self._load(everyone), dwi, adc, entries.nvauto.settings, self.clock)
        elif task.member == "swan" and entries.swan is not None:
            flair = self._register(dwi)
            networks = list(self._load(range(len(entries.swan.networks))))
            mask = swan.segment(networks, dwi, adc, flair, entries.swan.settings, self.clock)
        else:
            raise WeightsError(f"The weights bundle has none for {task.member.upper()}: leave it out with --members.")
        write_volume(task.output, mask, dwi.grid)

    def _load(self, indices: Iterable[int]) -> Iterator[nn.Module]:
        """Load networks one after the other, each when it is asked for."""
        for index in indices:
            started = time.perf_counter()
            (network,) = take_networks(self.bundle, {self.task.member: [index]}).load_networks(self.task.member)
            network = network.to(self.clock.device).eval()
            self.load_seconds += time.perf_counter() - started
            yield network

    def _register(self, dwi: Volume) -> Volume:
        if self.task.flair is None:
            raise InputRefused("SWAN needs a FLAIR image: give --flair, or choose other members.")
        flair = read_image(self.task.flair, "FLAIR")
        if self.task.registered:
            return take_registered(dwi.grid, flair)
        with FlairRegistration(dwi, flair) as registration:
            registered = registration.result()
        self.register_seconds = registration.seconds
        return registered


def answer(told: dict[str, Any]) -> dict[str, Any]:
    """Do the task of a request and tell its cost, wall time aside: that is taken outside."""
    worker = Worker(Task.from_json(told))
    worker.work()
    on_gpu = worker.clock.device.type == "cuda"
    return {
        "load_seconds": worker.load_seconds,
        "register_seconds": worker.register_seconds,
        "network_seconds": worker.clock.seconds,
        "forwards": worker.clock.forwards,
        "peak_memory_gb": read_peak_memory_gb(),
        "peak_gpu_memory_gb": torch.cuda.max_memory_reserved() / BYTES_PER_GB if on_gpu else 0.0,
    }


if __name__ == "__main__":
    answer_request(answer)
