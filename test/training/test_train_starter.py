"""tools/train_starter.py: from lesion shapes and real cases to measured bundles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from deepisles.training.layout import find_training_cases
from deepisles.training.synthesis.case import Ingredients, synthesise_case
from deepisles.training.synthesis.dataset import write_case
from deepisles.weights.bundle import Bundle

TOOL = Path(__file__).resolve().parents[2] / "tools" / "train_starter.py"


@pytest.mark.slow
def test_one_command_trains_calibrates_and_measures_with_and_without_each_real_case(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not request.config.getoption("--train-starter"):
        pytest.skip("takes five minutes of two cores: pytest --train-starter runs it")
    shapes = tmp_path / "shapes"
    shapes.mkdir()
    mask = np.zeros((60, 60, 60), dtype=np.uint8)
    mask[18:42, 15:45, 20:40] = 1
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (-62.0, -38.0, -8.0)
    nibabel.save(nibabel.Nifti1Image(mask, affine), shapes / "lesion.nii.gz")
    patient = tmp_path / "patient"
    write_case(patient, 5, synthesise_case(5, Ingredients(), lesion_free=False))
    size = ["--cases", "5", "--steps", "1", "--steps-per-epoch", "1", "--workers", "2", "--device", "cpu"]
    command = [sys.executable, str(TOOL), "mine", "--lesion-shapes", "shapes", "--real", "patient", "--work", "work"]
    subprocess.run([*command, *size], cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    for name, cases in (("mine", 5), ("mine-without-patient", 1)):
        assert Bundle.open(tmp_path / name).member_names == ("seals", "nvauto", "swan")
        assert len(json.loads((tmp_path / "work" / f"{name}-measured.json").read_text())) == cases
    names = {case.name for case in find_training_cases(tmp_path / "work" / "mine.csv")}
    assert any(name.startswith("patient-") for name in names)
    assert not (tmp_path / "work" / "mine-without-patient.csv").exists()
