"""A measurement as JSON: every key that `deepisles bench --json` writes is a field here or in the classes named here.

docs/performance.md says the same in a table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from deepisles.bench.cost import CaseCost, StageCost
from deepisles.bench.host import Host
from deepisles.bench.peak import Peak

FORMAT, VERSION = "deepisles-bench", 1


@dataclass(frozen=True)
class BenchSettings:
    """What was run: weights, members, profile, registration, and the case's grid (x, y, z), without file names."""

    weights: str
    weights_digest: str
    members: tuple[str, ...]
    profile: str
    registration: str
    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class BenchRecord:
    """One measurement.

    Parameters
    ----------
    measured_at : str
        When, ISO 8601, UTC.
    host : Host
        Machine and software.
    settings : BenchSettings
        What was run.
    peaks : mapping
        The device's peak for each precision that networks ran with; None where it is not known.
    cold_seconds : float or None
        From the start of the process to the first run's folder; None where the system does not tell.
    cold : CaseCost
        The first run, with loading the networks.
    warm : tuple of CaseCost
        The runs that followed in the same process.
    """

    measured_at: str
    host: Host
    settings: BenchSettings
    peaks: Mapping[str, Peak | None]
    cold_seconds: float | None
    cold: CaseCost
    warm: tuple[CaseCost, ...] = ()

    @property
    def warm_median_seconds(self) -> float | None:
        """Median wall time of the warm runs; None where there were none."""
        return median(run.total_seconds for run in self.warm) if self.warm else None

    @property
    def typical(self) -> CaseCost:
        """The warm run in the middle, the lower one of two; the cold run where there is no other."""
        if not self.warm:
            return self.cold
        return sorted(self.warm, key=lambda run: run.total_seconds)[(len(self.warm) - 1) // 2]

    def find_share_of_peak(self, stage: StageCost) -> float | None:
        """Find the share of the device's peak that a stage's networks reach; None where one is not known."""
        peak = self.peaks.get(stage.precision or "")
        return stage.share_of(None if peak is None else peak.tflop_per_second)


def to_json(record: BenchRecord) -> str:
    """Write a measurement as JSON."""
    document = {"format": FORMAT, "version": VERSION, **asdict(record)}
    document |= {
        "warm_median_seconds": record.warm_median_seconds,
        "cold": _describe_run(record.cold, record),
        "warm": [_describe_run(run, record) for run in record.warm],
    }
    return json.dumps(document, indent=2)


def _describe_run(run: CaseCost, record: BenchRecord) -> dict[str, Any]:
    """Write a run with what is reckoned from its numbers."""
    stages = {
        name: {
            **asdict(stage),
            "tflop_per_second": stage.tflop_per_second,
            "share_of_peak": record.find_share_of_peak(stage),
        }
        for name, stage in run.stages.items()
    }
    return {
        **asdict(run),
        "stages": stages,
        "network_seconds": run.network_seconds,
        "share_outside_networks": run.share_outside_networks,
    }
