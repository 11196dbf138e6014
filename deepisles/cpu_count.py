"""How many CPUs this process may use, which in a container is less than the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUP_FOLDER = Path("/sys/fs/cgroup")


def count_cpus(cgroup_folder: Path = CGROUP_FOLDER) -> int:
    """Count the CPUs that the scheduler lets this process run on, and that its control group pays for.

    Parameters
    ----------
    cgroup_folder : Path
        Where control groups are mounted; in a container its own one.

    Returns
    -------
    int
        At least 1.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # half a CPU more is worth a thread more
    return min([allowed, *(math.ceil(quota) for quota in _read_quotas(cgroup_folder))])


def _read_quotas(folder: Path) -> Iterator[float]:
    """Read the CPUs that a control group's quotas come to; nothing where there is none."""
    for quota_file, period_file in (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            numbers = (folder / quota_file).read_text(encoding="ascii").split()
            if period_file is not None:
                numbers += (folder / period_file).read_text(encoding="ascii").split()
            quota, period = map(int, numbers)
        except (OSError, ValueError):
            # absent, or "max"
            continue
        if quota > 0 and period > 0:
            yield quota / period
