"""A measurement as text."""

from __future__ import annotations

from collections.abc import Mapping

from deepisles.bench.cost import StageCost
from deepisles.bench.document import BenchRecord

OriginalTimes = Mapping[str, tuple[float, str]]
"""Seconds by stage, and whether they are wall or CPU seconds (`original_times`)."""
HEAD = (
    f"{'stage':<22}{'wall s':>9}{'CPU s':>9}{'pre s':>8}{'networks s':>12}{'post s':>8}{'windows':>9}"
    f"{'TFLOP':>9}{'TFLOP/s':>9}{'of peak':>9}"
)


def tabulate(record: BenchRecord, original: OriginalTimes | None = None) -> str:
    """Lay a measurement out: the typical run's stages, then the whole.

    Parameters
    ----------
    record : BenchRecord
        The measurement.
    original : mapping, optional
        The original's times, for the ratio original / here.
    """
    run, host, settings = record.typical, record.host, record.settings
    size = " x ".join(str(n) for n in settings.size)
    lines = [
        f"device {host.device}, CPU {host.cpu}, {host.threads} thread(s), torch {host.torch}",
        f"weights {settings.weights}, profile {settings.profile}, registration {settings.registration}, {size} voxels",
        HEAD + (f"{'original / here':>22}" if original else ""),
    ]
    for name, stage in run.stages.items():
        lines.append(_lay_out(name, stage, record.find_share_of_peak(stage)) + _compare(name, stage, original))
    for precision, peak in record.peaks.items():
        told = "is not known" if peak is None else f"{peak.tflop_per_second:.3g} TFLOP/s ({peak.source})"
        lines.append(f"peak in {precision}: {told}")
    lines += [
        f"case {run.total_seconds:.1f} s, of it {run.network_seconds:.1f} s in networks and "
        f"{run.share_outside_networks:.1%} outside networks and registration",
        f"peak memory {run.peak_memory_gb:.2f} GB (registration's child process included)",
    ]
    if run.gpu_allocated_gb is not None and run.gpu_reserved_gb is not None:
        lines.append(f"peak GPU memory {run.gpu_allocated_gb:.2f} GB in tensors, {run.gpu_reserved_gb:.2f} GB reserved")
    if record.cold_seconds is not None:
        lines.append(f"cold, from the start of the process to the result: {record.cold_seconds:.1f} s")
    if record.warm_median_seconds is not None:
        every = ", ".join(f"{warm.total_seconds:.1f}" for warm in record.warm)
        lines.append(f"warm: median {record.warm_median_seconds:.1f} s of {every}")
    return "\n".join(lines)


def _lay_out(name: str, stage: StageCost, share: float | None) -> str:
    start = f"{name:<22}{stage.wall_seconds:>9.2f}{stage.cpu_seconds:>9.2f}"
    if not stage.calls:
        return start
    speed = stage.tflop_per_second
    return (
        f"{start}{stage.pre_seconds:>8.2f}{stage.network_seconds:>12.2f}{stage.post_seconds:>8.2f}{stage.windows:>9}"
        f"{'?' if stage.tflop is None else f'{stage.tflop:.2f}':>9}"
        f"{'?' if speed is None else f'{speed:.3g}':>9}"
        f"{'?' if share is None else f'{share:.0%}':>9}"
    )


def _compare(name: str, stage: StageCost, original: OriginalTimes | None) -> str:
    if original is None or name not in original:
        return ""
    seconds, kind = original[name]
    here = stage.wall_seconds if kind == "wall" else stage.cpu_seconds
    return f"{f'{seconds:.0f} / {here:.0f} = {seconds / here:.1f} ({kind})':>22}"
