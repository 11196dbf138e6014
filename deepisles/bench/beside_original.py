"""The original's way of working and this project's, measured in turn on one machine and one case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deepisles.bench.children import ask_child
from deepisles.bench.original_way.run import OriginalRun, run_original_way
from deepisles.bench.request import BenchRequest
from deepisles.bench.spread import Spread

CASE_WORKER = "deepisles.bench.case_worker"


@dataclass(frozen=True)
class Pair:
    """One case in both ways, each in fresh processes.

    Parameters
    ----------
    original : mapping
        Seconds in the original's way, by row of the table.
    here : mapping
        Seconds here, by the same rows.
    device : str
        Where the networks ran here.
    costs : mapping
        All that was measured, for the JSON.
    """

    original: Mapping[str, float]
    here: Mapping[str, float]
    device: str
    costs: Mapping[str, Any]


def measure_pairs(request: BenchRequest, repeats: int) -> list[Pair]:
    """Run both ways in turn.

    Raises
    ------
    DeepIslesError
        If one of the two fails.
    """
    return [_measure_pair(request) for _ in range(repeats)]


def tabulate_pairs(pairs: Sequence[Pair], threads: int) -> str:
    """Lay out medians of the seconds, and of the ratios original / here with the least and the most."""
    lines = [
        f"device {pairs[0].device}, {threads} CPU thread(s), {len(pairs)} pair(s) in turn, fresh processes",
        f"{'median seconds':<34}{'original':>10}{'here':>10}{'original / here':>26}",
    ]
    for row in pairs[0].original:
        original, here = Spread.of(pair.original[row] for pair in pairs), Spread.of(pair.here[row] for pair in pairs)
        lines.append(f"{row:<34}{original.median:>10.2f}{here.median:>10.2f}{_compare(pairs, row)!s:>26}")
    return "\n".join(lines)


def describe_pairs(pairs: Sequence[Pair], request: BenchRequest) -> dict[str, Any]:
    """Put everything that was measured into what JSON can hold."""
    return {
        "kind": "original-way",
        "device": pairs[0].device,
        "threads": request.threads,
        "ratios": {row: asdict(_compare(pairs, row)) for row in pairs[0].original},
        "pairs": [{"original": pair.original, "here": pair.here, **pair.costs} for pair in pairs],
    }


def _compare(pairs: Sequence[Pair], row: str) -> Spread:
    return Spread.of(pair.original[row] / pair.here[row] for pair in pairs)


def _measure_pair(request: BenchRequest) -> Pair:
    ran = run_original_way(request)
    answer = ask_child(CASE_WORKER, request.to_json())
    told = answer.content
    run = told["typical"]
    stages = run["stages"]
    original, here = _list_members(ran, stages)
    loading = stages["load"]["wall_seconds"] if "load" in stages else 0.0
    # systems that do not tell when a process began have the time around it, on a GPU with its second case
    starting = told["cold_seconds"] or answer.wall_seconds
    original |= {"case, from a start": ran.total_seconds, "case, networks kept here": ran.total_seconds}
    here |= {"case, from a start": starting, "case, networks kept here": run["total_seconds"] - loading}
    costs = {
        "original_members": {name: asdict(cost) for name, cost in ran.members.items()},
        "original_read_seconds": ran.read_seconds,
        "here_measured": told,
    }
    return Pair(original, here, run["device"], costs)


def _list_members(
    ran: OriginalRun, stages: Mapping[str, Mapping[str, float]]
) -> tuple[dict[str, float], dict[str, float]]:
    """List each member's seconds in its networks and in all, in both ways; the registration by itself.

    A member that the profile leaves out has no rows of its own; what it costs in the original's way is in the sums.
    """
    original: dict[str, float] = {}
    here: dict[str, float] = {}
    shared = {name: cost for name, cost in ran.members.items() if name in stages}
    for name, cost in shared.items():
        original[f"{name}, networks"], here[f"{name}, networks"] = cost.network_seconds, stages[name]["network_seconds"]
    original["all networks"] = sum(cost.network_seconds for cost in ran.members.values())
    here["all networks"] = sum(here.values())
    for name, cost in shared.items():
        original[name], here[name] = cost.wall_seconds - cost.register_seconds, stages[name]["wall_seconds"]
        if cost.register_seconds and "register" in stages:
            original["registration"] = cost.register_seconds
            here["registration"] = stages["register"]["wall_seconds"]
    return original, here
