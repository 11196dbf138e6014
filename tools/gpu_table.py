"""What was measured on a GPU beside what is asked for: `python tools/gpu_table.py FOLDER`, after tools/measure_gpu.

A JSON file that is not there is a row that was not measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

NETWORKS_SECONDS: Final = 10.0
RIGID_SECONDS: Final = 12.0
BEYOND_OVERLAP_SECONDS: Final = 3.0
COLD_SECONDS: Final = 20.0
GPU_MEMORY_GB: Final = 14.0
RATIO: Final = 10.0
DICE: Final = 0.999
KEPT: Final = "case, networks kept here"
STARTED: Final = "case, from a start"
"""What `deepisles bench --original-way` calls a case with its networks loaded already, and one in fresh processes."""


@dataclass(frozen=True)
class Row:
    """One thing that is measured: "<=" or ">=" and a limit, or neither."""

    what: str
    measured: float | None
    unit: str
    sign: str = ""
    limit: float | None = None

    def describe(self) -> str:
        """Lay it out in one line."""
        limit = "" if self.limit is None else f"{self.sign} {self.limit:g} {self.unit}".rstrip()
        if self.measured is None:
            return f"{self.what:<64}{limit:>14}  not measured"
        told = f"{self.measured:.4g} {self.unit}".rstrip()
        if self.limit is None:
            return f"{self.what:<64}{limit:>14}{told:>14}"
        holds = self.measured <= self.limit if self.sign == "<=" else self.measured >= self.limit
        return f"{self.what:<64}{limit:>14}{told:>14}  {'holds' if holds else 'DOES NOT HOLD'}"


Document = dict[str, Any]


def read(folder: Path, name: str) -> Document | None:
    """Read one of the files; None where it is not there."""
    path = folder / name
    if not path.is_file():
        return None
    told: Document = json.loads(path.read_text(encoding="utf-8"))
    return told


def list_rows(folder: Path) -> Iterator[Row]:
    """List what is asked for and what was measured."""
    exact, rigid = read(folder, "exact.json"), read(folder, "rigid.json")
    networks = None if exact is None else median(run["network_seconds"] for run in list_runs(exact))
    yield Row("all networks of a warm exact case", networks, "s", "<=", NETWORKS_SECONDS)
    whole = None if rigid is None else rigid["warm_median_seconds"]
    yield Row("whole warm case with rigid registration", whole, "s", "<=", RIGID_SECONDS)
    beyond = None if exact is None else median(find_seconds_beyond_overlap(run) for run in list_runs(exact))
    yield Row("warm exact case beyond networks or registration", beyond, "s", "<=", BEYOND_OVERLAP_SECONDS)
    cold = None if rigid is None else rigid["cold_seconds"]
    yield Row("process start to first result, rigid registration", cold, "s", "<=", COLD_SECONDS)
    reserved = [run["gpu_reserved_gb"] for told in (exact, rigid) if told for run in (told["cold"], *told["warm"])]
    known = [gb for gb in reserved if gb is not None]
    yield Row("peak GPU memory, reserved", max(known) if known else None, "GB", "<=", GPU_MEMORY_GB)
    if exact is not None:
        yield from list_shares(exact)
    original = read(folder, "original.json")
    ratios = {} if original is None else original["ratios"]
    yield Row("original's way / here, networks kept", find_ratio(ratios, KEPT), "", ">=", RATIO)
    yield Row("original's way / here, from the start of a process", find_ratio(ratios, STARTED), "")
    parity = read(folder, "parity.json")
    for name, agreement in ({} if parity is None else parity["masks"]).items():
        yield Row(f"Dice of {name} masks, GPU against CPU", agreement["dice"], "", ">=", DICE)
    if parity is None:
        yield Row("Dice of masks, GPU against CPU", None, "", ">=", DICE)


def list_runs(told: Document) -> list[Document]:
    """List a measurement's warm runs, or its only one."""
    return told["warm"] or [told["cold"]]


def find_seconds_beyond_overlap(run: Document) -> float:
    """Find what a case takes longer than its networks or its registration, whichever takes longer."""
    registration = run["stages"].get("register", {}).get("wall_seconds", 0.0)
    return float(run["total_seconds"] - max(run["network_seconds"], registration))


def list_shares(told: Document) -> Iterator[Row]:
    """List how much of the device's peak every member's networks reach, in the median of the runs."""
    runs = list_runs(told)
    for name, stage in runs[0]["stages"].items():
        if stage["calls"]:
            shares = [run["stages"][name]["share_of_peak"] for run in runs]
            known = [100 * share for share in shares if share is not None]
            what = f"{name.upper()}, share of the device's peak in {stage['precision']}"
            yield Row(what, median(known) if known else None, "%")


def find_ratio(ratios: Document, name: str) -> float | None:
    """Find the median ratio of a row of `deepisles bench --original-way`."""
    return float(ratios[name]["median"]) if name in ratios else None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what tools/measure_gpu was given as --output")
    folder: Path = parser.parse_args().folder
    told = read(folder, "exact.json") or read(folder, "rigid.json")
    if told is not None:
        host, settings = told["host"], told["settings"]
        size = " x ".join(f"{n * mm:.0f}" for n, mm in zip(settings["size"], settings["spacing_mm"], strict=True))
        sys.stdout.write(
            f"{host['device']}, torch {host['torch']}, CUDA {host['cuda']}, {host['cpus']} CPUs ({host['cpu']})\n"
            f"revision {host['revision']}, weights {settings['weights']}, {size} mm\n"
        )
    sys.stdout.write("".join(f"{row.describe()}\n" for row in list_rows(folder)))


if __name__ == "__main__":
    main()
