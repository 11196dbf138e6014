"""Costs as text and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

from deepisles.bench.cost import CaseCost


def tabulate(cost: CaseCost, original: Mapping[str, tuple[float, str]] | None = None) -> str:
    """Lay costs out as a table, with the ratio original / here where the original's times are given."""
    lines = [
        f"device {cost.device}",
        f"{'stage':<22}{'wall s':>9}{'CPU s':>9}{'networks s':>12}{'original / here':>22}",
    ]
    for name, stage in cost.stages.items():
        ratio = ""
        if original and name in original:
            seconds, kind = original[name]
            here = stage.wall_seconds if kind == "wall" else stage.cpu_seconds
            ratio = f"{seconds:.0f} / {here:.0f} = {seconds / here:.1f} ({kind})"
        lines.append(
            f"{name:<22}{stage.wall_seconds:>9.2f}{stage.cpu_seconds:>9.2f}{stage.network_seconds:>12.2f}{ratio:>22}"
        )
    lines += [
        f"case {cost.total_seconds:.1f} s, of it {cost.share_outside_networks:.1%} outside networks and registration",
        f"peak memory {cost.peak_memory_gb:.2f} GB (registration's child process included)",
    ]
    return "\n".join(lines)


def to_json(cost: CaseCost) -> str:
    """Write costs as JSON."""
    return json.dumps({**asdict(cost), "total_seconds": cost.total_seconds, "python": sys.version.split()[0]}, indent=2)
