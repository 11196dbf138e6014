"""The most that a device can compute in a second: data sheets for GPUs, a measurement for the CPU."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import torch

MEASURED = "measured: the best of several matrix products"
MATRIX_SIZE = 1024
MEASURING_SECONDS = 0.8


@dataclass(frozen=True)
class DataSheet:
    """A GPU's peaks in TFLOP/s: dense matrices, 16-bit products summed in 32 bits; None for what it does not have.

    `devices` are the names that CUDA gives it, the maker's in front left out: one letter more is another card.
    """

    devices: tuple[str, ...]
    float16: float
    bfloat16: float | None
    tf32: float | None
    float32: float
    source: str


A100: Final = ("A100-SXM4-40GB", "A100-SXM4-80GB", "A100-PCIE-40GB", "A100 80GB PCIe")
DATA_SHEETS: Final = (
    DataSheet(("T4",), 65, None, None, 8.1, "NVIDIA T4 data sheet"),
    DataSheet(("GeForce RTX 3090",), 71, 71, 35.6, 35.6, "NVIDIA GA102 whitepaper, appendix A"),
    DataSheet(("A10",), 125, 125, 62.5, 31.2, "NVIDIA A10 data sheet"),
    DataSheet(A100, 312, 312, 156, 19.5, "NVIDIA A100 data sheet"),
    DataSheet(("H100 PCIe",), 756, 756, 378, 51, "NVIDIA H100 data sheet, PCIe"),
    DataSheet(("H100 80GB HBM3",), 989.5, 989.5, 494.5, 67, "NVIDIA H100 data sheet, SXM"),
    DataSheet(("H200",), 989.5, 989.5, 494.5, 67, "NVIDIA H200 data sheet, SXM"),
    DataSheet(("L4",), 121, 121, 60, 30.3, "NVIDIA L4 data sheet"),
    DataSheet(("L40S",), 362.05, 362.05, 183, 91.6, "NVIDIA L40S data sheet"),
)
"""Where a data sheet gives numbers for sparse matrices only, half of them."""


@dataclass(frozen=True)
class Peak:
    """The most of one kind of numbers, and how that is known; names are the JSON's keys."""

    tflop_per_second: float
    source: str


def find_peak(device: torch.device, precision: str) -> Peak | None:
    """Find a device's peak for a kind of numbers ("float32", "tf32", "float16", "bfloat16").

    For the CPU it takes up to a second, with as many threads as torch has.

    Returns
    -------
    Peak or None
        None for a GPU that is not in the table, or has no such numbers.
    """
    if device.type == "cuda":
        return look_up_peak(torch.cuda.get_device_name(device), precision)
    return measure_cpu_peak(precision)


def look_up_peak(device_name: str, precision: str) -> Peak | None:
    """Look a GPU's peak up by the name that CUDA gives it; None as in `find_peak`."""
    card = device_name.removeprefix("NVIDIA ").removeprefix("Tesla ")
    sheet = next((sheet for sheet in DATA_SHEETS if card in sheet.devices), None)
    if sheet is None:
        return None
    peaks = {
        "float16": sheet.float16,
        "bfloat16": sheet.bfloat16,
        "tf32": sheet.tf32,
        "float32": sheet.float32,
    }
    peak = peaks.get(precision)
    return None if peak is None else Peak(peak, sheet.source)


def measure_cpu_peak(precision: str) -> Peak | None:
    """Multiply matrices for a moment and take the best; None for a kind of numbers that torch has not."""
    dtype = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}.get(precision)
    if dtype is None:
        return None
    matrix = torch.randn(MATRIX_SIZE, MATRIX_SIZE).to(dtype)
    result = torch.empty_like(matrix)
    best = float("inf")
    begun = time.perf_counter()
    with torch.inference_mode():
        while time.perf_counter() - begun < MEASURING_SECONDS:
            started = time.perf_counter()
            torch.mm(matrix, matrix, out=result)
            best = min(best, time.perf_counter() - started)
    return Peak(2 * MATRIX_SIZE**3 / best / 1e12, MEASURED)
