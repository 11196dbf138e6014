"""tools/measure_bundle.py: every case counts, and one that is refused is told and does not end the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from threshold_bundle import make_bright_case, make_threshold_bundle, write_case

TOOL = Path(__file__).resolve().parent.parent / "tools" / "measure_bundle.py"


def measure(folder: Path, rows: list[str]) -> subprocess.CompletedProcess[str]:
    images, truth = make_bright_case()
    write_case(folder, images | {"mask": images["dwi"].with_array(truth.astype("float32"))})
    (folder / "cases.csv").write_text("\n".join(["case,dwi,adc,flair,mask", *rows]) + "\n")
    bundle = make_threshold_bundle(folder / "weights")
    command = [sys.executable, TOOL, bundle, folder / "cases.csv", "--output", folder / "measured.json"]
    return subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=False)


def test_a_refused_case_is_told_and_the_others_are_measured(tmp_path: Path) -> None:
    images = "dwi.nii.gz,{},flair.nii.gz,mask.nii.gz"
    done = measure(tmp_path, ["a-swapped," + images.format("dwi.nii.gz"), "right," + images.format("adc.nii.gz")])
    assert done.returncode == 0, done.stderr
    (right,) = json.loads((tmp_path / "measured.json").read_text())
    assert right["case"] == "right"
    assert right["agreements"]["vote"]["dice"] > 0.9
    assert "a-swapped: refused. " in done.stderr
    assert done.stdout.endswith("Refused: 1 a-swapped\n")


def test_nothing_measured_is_a_failure(tmp_path: Path) -> None:
    done = measure(tmp_path, ["swapped,dwi.nii.gz,dwi.nii.gz,flair.nii.gz,mask.nii.gz"])
    assert done.returncode != 0
    assert done.stderr.endswith("was refused: nothing was measured.\n")
