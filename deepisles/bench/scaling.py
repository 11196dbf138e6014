"""How time and memory grow with the size of the image and with the number of networks."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepisles.bench.children import ask_child
from deepisles.bench.larger_case import TILES, read_aligned, write_larger
from deepisles.bench.request import BenchRequest
from deepisles.weights.bundle import Bundle
from deepisles.weights.fewer_networks import Chosen, write_part
from deepisles.weights.locate import open_weights

WORKER = "deepisles.bench.scaling_worker"


@dataclass(frozen=True)
class Point:
    """One case in a fresh process.

    Parameters
    ----------
    voxels : int
        Of the DWI.
    windows : dict
        By member, those that its networks answered: of each position every network and mirror image has its own.
    networks : int
        Of all members.
    seconds : float
        From the files to the report, the networks being loaded.
    peak_memory_gb : float
        Highest use of the host's memory since the process began.
    peak_gpu_memory_gb : float or None
        Highest use of the GPU's; None on a CPU.
    stages : dict
        Seconds by stage.
    """

    voxels: int
    windows: dict[str, int]
    networks: int
    seconds: float
    peak_memory_gb: float
    peak_gpu_memory_gb: float | None
    stages: dict[str, float]

    @property
    def all_windows(self) -> int:
        """Windows of all members."""
        return sum(self.windows.values())


@dataclass(frozen=True)
class Scaling:
    """Points along the two axes; the last case and bundle of both are the given ones or multiples of them."""

    device: str
    by_size: list[Point]
    by_networks: list[Point]


@dataclass(frozen=True)
class Line:
    """A straight line fitted to points, and the share of their variance that it explains (1: they lie on it)."""

    slope: float
    offset: float
    explained: float


def measure_scaling(request: BenchRequest) -> Scaling:
    """Measure a case at 1, 2 and 4 times its voxels, and with a third, two thirds and all of the networks.

    The FLAIR is laid on the DWI's grid by its headers, so that no registration takes part; brain extraction
    and territories are off.

    Raises
    ------
    InputRefused, GeometryError
        If the case cannot be read, or would become larger than an image may be.
    DeepIslesError
        If a measuring process fails.
    """
    bundle = open_weights(request.options.weights)
    case = read_aligned(request.files)
    members = tuple(request.options.members or bundle.member_names)
    by_size: list[Point] = []
    by_networks: list[Point] = []
    device = ""
    with tempfile.TemporaryDirectory(prefix="deepisles-") as folder:
        options = replace(
            request.options,
            weights=bundle.folder,
            members=members,
            registration="none",
            brain_extraction="off",
            territory="off",
        )
        for times in TILES:
            files = write_larger(case, times, Path(folder) / f"case{times}")
            point, device = _measure(replace(request, files=files, options=options))
            by_size.append(point)
        single = replace(request, files=write_larger(case, 1, Path(folder) / "case"))
        parts = choose_networks(bundle, members)
        for index, chosen in enumerate(parts[:-1]):
            weights = write_part(bundle, chosen, Path(folder) / f"part{index}")
            by_networks.append(_measure(replace(single, options=replace(options, weights=weights)))[0])
        by_networks.append(by_size[0])
    return Scaling(device, by_size, by_networks)


def choose_networks(bundle: Bundle, members: Sequence[str]) -> list[Chosen]:
    """Choose about a third, two thirds and all of each member's networks, evenly over their list.

    Counts grow by the same step for each member, so that a time that is linear in each is linear in their sum: of five
    1, 3, 5, of fifteen 5, 10, 15, of ten 4, 7, 10. Equal choices are made once.
    """
    choices: list[Chosen] = []
    for missing in (2, 1, 0):
        chosen: dict[str, list[int]] = {}
        for name, entry in bundle.manifest.members.items():
            if name in members:
                count = len(entry.networks)
                wanted = max(count - missing * round(count / 3), 1)
                chosen[name] = [int(index) for index in np.linspace(0, count - 1, wanted).round()]
        if chosen not in choices:
            choices.append(chosen)
    return choices


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line | None:
    """Fit a straight line by least squares; None for fewer than two different places."""
    if len(set(x)) < 2:
        return None
    slope, offset = np.polyfit(x, y, 1)
    values = np.asarray(y, dtype=np.float64)
    residual = values - (slope * np.asarray(x) + offset)
    spread = float(np.sum((values - values.mean()) ** 2))
    return Line(float(slope), float(offset), 1.0 - float(np.sum(residual**2)) / spread if spread else 1.0)


def tabulate_scaling(scaling: Scaling) -> str:
    """Lay the points out as a table, with what one line explains of the seconds along each axis."""
    lines = [
        f"device {scaling.device}; every row a fresh process, networks loaded, without registration",
        f"{'voxels':>12}{'windows':>10}{'networks':>10}{'seconds':>10}{'host GB':>10}{'GPU GB':>10}",
    ]
    for axis, points in (("voxels", scaling.by_size), ("networks", scaling.by_networks)):
        for point in points:
            gpu = "" if point.peak_gpu_memory_gb is None else f"{point.peak_gpu_memory_gb:.2f}"
            lines.append(
                f"{point.voxels:>12}{point.all_windows:>10}{point.networks:>10}{point.seconds:>10.2f}"
                f"{point.peak_memory_gb:>10.2f}{gpu:>10}"
            )
        line = fit_line([float(getattr(point, axis)) for point in points], [point.seconds for point in points])
        lines.append(f"seconds by {axis}: " + ("one point" if line is None else f"R2 {line.explained:.3f}"))
    for name in scaling.by_size[0].windows:
        told = ", ".join(f"{1000 * point.stages[name] / point.windows[name]:.0f}" for point in scaling.by_size)
        lines.append(f"milliseconds a window by size, {name}: {told}")
    return "\n".join(lines)


def describe_scaling(scaling: Scaling, request: BenchRequest) -> dict[str, Any]:
    """Put everything that was measured, and the lines through it, into what JSON can hold."""
    lines: dict[str, Any] = {}
    for axis, points in (
        ("voxels", scaling.by_size),
        ("all_windows", scaling.by_size),
        ("networks", scaling.by_networks),
    ):
        x = [float(getattr(point, axis)) for point in points]
        for measure in ("seconds", "peak_memory_gb", "peak_gpu_memory_gb"):
            y = [getattr(point, measure) for point in points]
            if None not in y:
                line = fit_line(x, y)
                lines[f"{measure} by {axis}"] = None if line is None else asdict(line)
    return {
        "kind": "scaling",
        "device": scaling.device,
        "threads": request.threads,
        "by_size": [asdict(point) for point in scaling.by_size],
        "by_networks": [asdict(point) for point in scaling.by_networks],
        "lines": lines,
    }


def _measure(request: BenchRequest) -> tuple[Point, str]:
    told = ask_child(WORKER, request.to_json()).content
    device = told.pop("device")
    return Point(**told), device
