"""ISLES'22's own way from predictions to scores finds our mask: by slug and image key, compared index by index."""

from __future__ import annotations

import json
import shutil
import uuid

import numpy as np
import pytest
import SimpleITK as sitk
from grand_challenge_tree import describe_input
from threshold_bundle import make_bright_case

from deepisles.evaluation.metrics import compare_masks
from deepisles.grandchallenge.sockets import DWI, SEGMENTATION

ORIGINAL_NAME = "sub-strokecase0001_ses-0001_dwi.nii.gz"


@pytest.fixture
def evaluation(exec_run, tmp_path):
    """Lay a job's output out as the platform does for the evaluation: imported under a key, with predictions.json."""
    folder = tmp_path / "evaluation"
    job, key = str(uuid.uuid4()), str(uuid.uuid4())
    (written,) = (exec_run.output / SEGMENTATION.relative_path).iterdir()
    place = folder / job / "output" / SEGMENTATION.relative_path
    place.mkdir(parents=True)
    shutil.copy(written, place / f"{key}.mha")
    inputs = [describe_input(slug) for slug in ("flair-brain-mri", DWI.slug, "adc-brain-mri")]
    inputs[1]["image"]["name"] = ORIGINAL_NAME
    output = describe_input(SEGMENTATION.slug, SEGMENTATION.relative_path)
    output["image"] = {"pk": key, "name": written.name}
    (folder / "predictions.json").write_text(
        json.dumps([{"pk": job, "status": "Succeeded", "inputs": inputs, "outputs": [output]}])
    )
    truth = folder / "ground-truth"
    truth.mkdir()
    (dwi,) = (exec_run.input / "images" / "dwi-brain-mri").iterdir()
    image = sitk.GetImageFromArray(make_bright_case()[1].astype(np.uint8))
    image.CopyInformation(sitk.ReadImage(dwi))
    sitk.WriteImage(image, truth / ORIGINAL_NAME.replace("_dwi", "_msk"))
    return folder


def find_pairs(folder):
    """Match predictions to truth as the challenge's evaluation does."""
    for job in json.loads((folder / "predictions.json").read_text()):
        (name,) = [entry["image"]["name"] for entry in job["inputs"] if entry["socket"]["slug"] == "dwi-brain-mri"]
        outputs = {entry["interface"]["slug"]: entry for entry in job["outputs"]}
        found = outputs["stroke-lesion-segmentation"]
        place = folder / job["pk"] / "output" / found["interface"]["relative_path"] / f"{found['image']['pk']}.mha"
        yield folder / "ground-truth" / name.replace("_dwi", "_msk"), place


def test_the_mask_is_found_and_scored(evaluation):
    ((truth_path, mask_path),) = find_pairs(evaluation)
    truth, mask = sitk.ReadImage(truth_path), sitk.ReadImage(mask_path)
    lesion, found = sitk.GetArrayFromImage(truth) > 0, sitk.GetArrayFromImage(mask) > 0
    # the volume is taken by the prediction's own header
    voxel_ml = abs(np.linalg.det(np.reshape(mask.GetDirection(), (3, 3)) * mask.GetSpacing())) / 1000
    scores = compare_masks(found, lesion, voxel_ml)
    assert scores.dice > 0.7
    assert scores.volume_ml == pytest.approx(lesion.sum() * 12 / 1000, rel=0.4)
    assert (scores.lesions, scores.expert_lesions, scores.lesion_f1) == (1, 1, 1)


def test_a_mask_that_lost_its_axes_would_score_near_nothing(evaluation):
    ((truth_path, mask_path),) = find_pairs(evaluation)
    lesion = sitk.GetArrayFromImage(sitk.ReadImage(truth_path)) > 0
    turned = sitk.GetArrayFromImage(sitk.ReadImage(mask_path))[:, ::-1, ::-1]
    assert compare_masks(turned, lesion, 1).dice < 0.1
