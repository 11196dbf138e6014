"""What tools/measure_gpu is made of: the case it makes, the comparison of masks, the table of limits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case

TOOLS = Path(__file__).resolve().parent.parent / "tools"


def run(tool: str, *arguments: str | Path) -> str:
    done = subprocess.run([sys.executable, TOOLS / tool, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def write_numbers(folder: Path, name: str, seconds: float, networks: float, register: float) -> None:
    stages = {
        "seals": {"calls": 2, "precision": "float16", "share_of_peak": 0.5, "wall_seconds": networks},
        "register": {"calls": 0, "precision": None, "share_of_peak": None, "wall_seconds": register},
    }
    a_run = {"total_seconds": seconds, "network_seconds": networks, "gpu_reserved_gb": 13.0, "stages": stages}
    told = {
        "host": {"device": "a card", "torch": "2", "cuda": "13", "cpus": 4, "cpu": "a CPU", "revision": "abc"},
        "settings": {"weights": "random-published", "size": [112, 112, 73], "spacing_mm": [2, 2, 2]},
        "cold_seconds": 19.0, "warm_median_seconds": seconds, "cold": a_run, "warm": [a_run] * 3,
    }  # fmt: skip
    (folder / name).write_text(json.dumps(told))


def test_the_case_is_of_the_wanted_size_and_keeps_its_brain(tmp_path):
    run("make_bench_case.py", tmp_path / "case")
    dwi, adc = (sitk.ReadImage(str(tmp_path / "case" / f"{name}.nii.gz")) for name in ("dwi", "adc"))
    sample = sitk.ReadImage(str(TOOLS.parent / "resources" / "sample" / "dwi.mha"))
    assert [n * mm for n, mm in zip(dwi.GetSize(), dwi.GetSpacing(), strict=True)] == pytest.approx([224, 224, 146])
    assert adc.GetSize() == dwi.GetSize()
    brain_ml = [(sitk.GetArrayFromImage(image) > 0).sum() * mm3 / 1000 for image, mm3 in ((dwi, 8), (sample, 12))]
    assert brain_ml[0] == pytest.approx(brain_ml[1], rel=0.1)


def test_the_same_device_gives_the_same_masks(tmp_path):
    write_case(tmp_path / "case", make_bright_case()[0])
    weights = make_threshold_bundle(tmp_path / "weights")
    run("compare_devices.py", tmp_path / "case", "--weights", weights, "--devices", "cpu", "cpu",
        "--output", tmp_path / "parity.json")  # fmt: skip
    told = json.loads((tmp_path / "parity.json").read_text())
    assert set(told["masks"]) == {"vote", "seals", "nvauto", "swan"}
    for agreement in told["masks"].values():
        assert agreement["dice"] == 1
        assert agreement["volumes_ml"][0] > 0


def test_limits_are_judged_and_gaps_are_told(tmp_path):
    write_numbers(tmp_path, "exact.json", seconds=60, networks=11, register=55)
    write_numbers(tmp_path, "rigid.json", seconds=11.5, networks=9, register=2)
    (tmp_path / "original.json").write_text(json.dumps({"ratios": {"case, networks kept here": {"median": 12.5}}}))
    lines = {line[:64].strip(): line[64:] for line in run("gpu_table.py", tmp_path).splitlines()[2:]}
    assert "11 s  DOES NOT HOLD" in lines["all networks of a warm exact case"]
    assert "11.5 s  holds" in lines["whole warm case with rigid registration"]
    assert "5 s  DOES NOT HOLD" in lines["warm exact case beyond networks or registration"]
    assert "19 s  holds" in lines["process start to first result, rigid registration"]
    assert "13 GB  holds" in lines["peak GPU memory, reserved"]
    assert "50 %" in lines["SEALS, share of the device's peak in float16"]
    assert "12.5  holds" in lines["original's way / here, networks kept"]
    assert "not measured" in lines["Dice of masks, GPU against CPU"]
    (tmp_path / "parity.json").write_text(json.dumps({"masks": {"vote": {"dice": 0.998, "volumes_ml": [1, 1]}}}))
    assert "0.998  DOES NOT HOLD" in run("gpu_table.py", tmp_path)


def test_an_empty_folder_is_a_table_of_gaps(tmp_path):
    lines = run("gpu_table.py", tmp_path).splitlines()
    assert len(lines) > 5
    assert all(line.endswith("not measured") for line in lines)
