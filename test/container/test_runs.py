"""Cases run in the container: the outputs, and how it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

GEOMETRY_TOLERANCE = 1e-5
VOLUME_TOLERANCE_ML = 1e-3
LEAST_DICE = 0.85


def measure(mask: sitk.Image) -> tuple[float, int]:
    """Measure a mask anew: volume in ml, and lesions whose voxels share a face, an edge or a corner."""
    voxels = sitk.GetArrayFromImage(mask)
    voxel_mm3 = np.prod(mask.GetSpacing()) * abs(np.linalg.det(np.reshape(mask.GetDirection(), (3, 3))))
    return float(voxels.sum() * voxel_mm3 / 1000), int(ndimage.label(voxels, np.ones((3, 3, 3)))[1])


def assert_mask_lies_on(mask: sitk.Image, dwi: sitk.Image) -> None:
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert mask.GetDimension() == 3
    assert set(np.unique(sitk.GetArrayViewFromImage(mask))) <= {0, 1}
    assert mask.GetSize() == dwi.GetSize()
    for part in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(mask, part)() == pytest.approx(getattr(dwi, part)(), abs=GEOMETRY_TOLERANCE)


def test_real_case_succeeds_in_silence(grand_challenge_run: Any) -> None:
    assert grand_challenge_run.stderr == ""
    assert grand_challenge_run.exit_code == 0
    assert "secret-name" not in grand_challenge_run.stdout


def test_real_case_writes_the_declared_outputs_only(grand_challenge_run: Any) -> None:
    (mask,) = (grand_challenge_run.output / "images" / "stroke-lesion-segmentation").glob("*.mha")
    assert grand_challenge_run.files() == [
        f"images/stroke-lesion-segmentation/{mask.name}",
        "results.json",
        "stroke-lesion-count.json",
        "stroke-lesion-report.json",
        "stroke-lesion-segmentation-thumbnail.png",
        "stroke-lesion-volume.json",
    ]


def test_real_case_numbers_agree_with_the_mask(grand_challenge_run: Any, grand_challenge_input: Path) -> None:
    (path,) = (grand_challenge_run.output / "images" / "stroke-lesion-segmentation").glob("*.mha")
    mask = sitk.ReadImage(path)
    (dwi,) = (grand_challenge_input / "images" / "dwi-brain-mri").glob("*.mha")
    assert_mask_lies_on(mask, sitk.ReadImage(dwi))
    volume_ml, count = measure(mask)
    assert volume_ml > 0
    written_volume, written_count = (
        grand_challenge_run.read_json(f"stroke-lesion-{n}.json") for n in ("volume", "count")
    )
    assert type(written_volume) is float
    assert written_volume == pytest.approx(volume_ml, abs=VOLUME_TOLERANCE_ML)
    assert type(written_count) is int
    assert written_count == count
    report = grand_challenge_run.read_json("stroke-lesion-report.json")
    assert (report["lesion_volume_ml"], report["lesion_count"]) == (written_volume, written_count)
    assert "secret-name" not in (grand_challenge_run.output / "stroke-lesion-report.json").read_text()


def test_real_case_uses_the_uploaded_weights(grand_challenge_run: Any) -> None:
    report = grand_challenge_run.read_json("stroke-lesion-report.json")
    assert report["weights"]["bundle"] == "tiny"
    assert [member["status"] for member in report["members"]] == ["ran", "ran", "ran"]
    assert report["software"]["device"] == "cpu"


def test_real_case_names_its_mask_in_the_old_way_too(grand_challenge_run: Any, grand_challenge_input: Path) -> None:
    (mask,) = (grand_challenge_run.output / "images" / "stroke-lesion-segmentation").glob("*.mha")
    (dwi,) = (grand_challenge_input / "images" / "dwi-brain-mri").glob("*.mha")
    assert grand_challenge_run.read_json("results.json") == [
        {
            "outputs": [{"type": "Image", "slug": "stroke-lesion-segmentation", "filename": mask.name}],
            "inputs": [{"type": "Image", "slug": "dwi-brain-mri", "filename": dwi.name}],
        }
    ]
    assert mask.name == dwi.name


def test_real_case_is_close_to_the_original(grand_challenge_run: Any, golden: Path) -> None:
    """FLAIR was registered anew here, by one thread, and for the golden mask by two: SWAN's votes differ a little."""
    (path,) = (grand_challenge_run.output / "images" / "stroke-lesion-segmentation").glob("*.mha")
    ours = sitk.GetArrayFromImage(sitk.ReadImage(path)) > 0
    original = golden / "expected" / "ensemble" / "isles22-0009_lesion_msk.nii.gz"
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(original)) > 0
    assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > LEAST_DICE


def test_plain_files_give_the_output_folder_of_segment(sample_run: Any) -> None:
    assert sample_run.stderr == ""
    assert sample_run.exit_code == 0
    assert sample_run.files() == [
        "lesion_agreement.nii.gz",
        "lesion_mask.nii.gz",
        "lesion_probability.nii.gz",
        "lesions.csv",
        "overview.png",
        "report.html",
        "report.json",
        "summary.csv",
    ]


def test_plain_files_numbers_agree_with_the_mask(sample_run: Any, sample_input: Path) -> None:
    mask = sitk.ReadImage(sample_run.output / "lesion_mask.nii.gz")
    assert_mask_lies_on(mask, sitk.ReadImage(sample_input / "dwi.mha"))
    volume_ml, count = measure(mask)
    report = sample_run.read_json("report.json")
    assert report["lesion_volume_ml"] == pytest.approx(volume_ml, abs=VOLUME_TOLERANCE_ML)
    assert report["lesion_count"] == count
    assert report["verdict"] == ("lesion" if count else "no-lesion")


def test_mounted_weights_are_used(sample_run: Any) -> None:
    assert sample_run.read_json("report.json")["weights"]["bundle"] == "threshold"


def assert_refused(run: Any, exit_code: int) -> str:
    """Check that nothing was written and give the sentence that the platform shows the user."""
    assert run.exit_code == exit_code
    assert run.files() == []
    sentence: str = run.stderr.splitlines()[-1]
    assert sentence[0].isupper() or sentence.startswith("/")
    assert sentence.endswith(".")
    assert len(sentence) < 1024
    assert "Traceback" not in run.stderr
    return sentence


def test_empty_input_is_refused_in_one_sentence(run_image: Any, empty_input: Path) -> None:
    assert "/input" in assert_refused(run_image(empty_input), exit_code=3)


def test_damaged_weights_are_refused_in_one_sentence(run_image: Any, sample_input: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir(mode=0o755)
    (model / "bundle.json").write_text("{")
    assert_refused(run_image(sample_input, model=model), exit_code=5)
