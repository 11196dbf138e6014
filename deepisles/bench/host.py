"""The machine and the software that a measurement was made with."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from deepisles import __version__
from deepisles.cpu_count import count_cpus
from deepisles.device import describe_device
from deepisles.software import find_revision

CPU_INFO = Path("/proc/cpuinfo")
OWN_STATUS = Path("/proc/self/stat")
START_FIELD = 22
"""Start time in clock ticks since boot, the 22nd field (proc_pid_stat(5))."""


@dataclass(frozen=True)
class Host:
    """What a measurement depends on; names are the JSON's keys. `cpus` are those that this process may use."""

    device: str
    device_memory_gb: float | None
    cpu: str
    cpus: int
    threads: int
    system: str
    python: str
    torch: str
    cuda: str | None
    cudnn: int | None
    version: str
    revision: str | None


def describe_host(device: torch.device) -> Host:
    """Describe this machine, this process and this code."""
    is_cuda = device.type == "cuda"
    return Host(
        device=describe_device(device),
        device_memory_gb=torch.cuda.get_device_properties(device).total_memory / 1e9 if is_cuda else None,
        cpu=find_cpu_model(),
        cpus=count_cpus(),
        threads=torch.get_num_threads(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version() if is_cuda else None,  # type: ignore[no-untyped-call]
        version=__version__,
        revision=find_revision(),
    )


def find_cpu_model(cpu_info: Path = CPU_INFO) -> str:
    """Find the CPU's model name, or at least its architecture."""
    try:
        lines = cpu_info.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def measure_process_seconds() -> float | None:
    """Measure how long this process has been running, the interpreter's own start included; None off Linux."""
    try:
        # the second field is a name in brackets, which may hold blanks
        fields = OWN_STATUS.read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks = int(fields[START_FIELD - 3])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return None
