"""Peaks: known cards by their whole name, and a CPU that is measured."""

from __future__ import annotations

import time

import pytest

from deepisles.bench.host import find_cpu_model, measure_process_seconds
from deepisles.bench.peak import look_up_peak, measure_cpu_peak


@pytest.mark.parametrize(
    ("name", "precision", "tflop_per_second"),
    [
        ("Tesla T4", "float16", 65),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156),
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.5),
        ("NVIDIA L4", "float32", 30.3),
        ("NVIDIA L40S", "float16", 362.05),
    ],
)
def test_known_cards_have_their_data_sheets_peak(name, precision, tflop_per_second):
    peak = look_up_peak(name, precision)
    assert peak.tflop_per_second == tflop_per_second
    assert "NVIDIA" in peak.source


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("Tesla T4", "tf32"),
        ("NVIDIA A10G", "float16"),
        ("NVIDIA GeForce RTX 3090 Ti", "float16"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "float16"),
        ("NVIDIA A10", "float64"),
    ],
)
def test_what_no_data_sheet_tells_is_not_guessed(name, precision):
    assert look_up_peak(name, precision) is None


def test_the_cpus_peak_is_measured_within_a_second():
    started = time.perf_counter()
    peak = measure_cpu_peak("float32")
    assert time.perf_counter() - started < 2
    assert 1e-3 < peak.tflop_per_second < 100
    assert measure_cpu_peak("tf32") is None


def test_a_process_knows_its_age_and_its_processor(tmp_path):
    first, second = measure_process_seconds(), measure_process_seconds()
    assert 0 < first <= second
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.0 GHz\n")
    assert find_cpu_model(info) == "Some CPU @ 2.0 GHz"
    assert find_cpu_model(tmp_path / "absent")
