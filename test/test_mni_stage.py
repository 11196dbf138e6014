"""The territory and the MNI images of a case, through the library and the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from atlas_files import write_atlas
from mni_patient import INSULA_MM, make_patient
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles import Ensemble
from deepisles.atlas.atlas import Atlas
from deepisles.atlas.store import ATLAS_VARIABLE, install, open_atlas
from deepisles.cli import app
from deepisles.errors import AtlasError, MemberFailed
from deepisles.findings.territory import measure_loads, territory_code
from deepisles.mni_stage import judge_territory
from deepisles.preparation.mni_alignment import MniAlignment

FLUID_LEVEL = 190
"""Of `make_patient`'s values: what is darkest on T1."""
GOOD = MniAlignment(np.eye(4), "dwi", 0.95, 0.2)


@pytest.fixture
def atlas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Atlas:
    monkeypatch.setenv(ATLAS_VARIABLE, str(tmp_path / "atlas"))
    install(write_atlas(tmp_path / "mine.nii.gz"), "jhu-level-1")
    return open_atlas()


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory) -> Ensemble:
    bundle = make_threshold_bundle(tmp_path_factory.mktemp("weights") / "threshold")
    return Ensemble.load(bundle, device="cpu", members=["nvauto"])


def segment(ensemble, folder, **options):
    folder.mkdir(exist_ok=True)
    paths = write_case(folder, make_bright_case()[0])
    return ensemble.segment(**paths, registration="none", **options)


def load(*codes):
    return measure_loads(np.array([[codes]]), np.ones((1, 1, len(codes))), 1.0)


def test_a_good_registration_is_assessed_and_a_poor_one_uncertain(atlas):
    mca = territory_code("MCA", "left")
    assert judge_territory(load(mca, mca), GOOD, atlas).status == "assessed"
    poor = MniAlignment(np.eye(4), "dwi", 0.95, 0.02)
    found = judge_territory(load(mca, mca), poor, atlas)
    assert (found.status, found.loads.largest) == ("uncertain", ("MCA", "left"))
    assert "resembles" in found.reason


def test_lesions_outside_the_atlas_are_uncertain_or_not_assessed(atlas):
    mca = territory_code("MCA", "left")
    assert judge_territory(load(mca, mca, 0), GOOD, atlas).status == "assessed"
    assert judge_territory(load(mca, 0, 0), GOOD, atlas).status == "uncertain"
    assert judge_territory(load(0, 0), GOOD, atlas).status == "not-assessed"


def test_without_an_atlas_the_report_says_how_to_get_one(ensemble, tmp_path, monkeypatch):
    monkeypatch.delenv(ATLAS_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    result = segment(ensemble, tmp_path / "case")
    assert result.report.territory.status == "not-assessed"
    assert "deepisles atlas install" in result.report.territory.reason
    assert result.report.pattern == "single-vessel-infarct"
    result.save(tmp_path / "out")
    assert not (tmp_path / "out" / "mni").exists()
    assert "not assessed: no atlas is installed" in (tmp_path / "out" / "report.html").read_text()
    off = segment(ensemble, tmp_path / "case", territory="off")
    assert off.report.territory.reason == "it was not asked for"


def test_a_damaged_atlas_does_not_stop_a_case_unless_it_was_named(ensemble, atlas, tmp_path):
    (tmp_path / "atlas" / "atlas.json").write_text("{")
    told = segment(ensemble, tmp_path / "case").report.territory
    assert told.status == "not-assessed"
    assert "damaged" in told.reason
    with pytest.raises(AtlasError, match="damaged"):
        segment(ensemble, tmp_path / "case", atlas=tmp_path / "atlas")


def test_a_registration_that_fails_stops_only_who_wants_images(ensemble, atlas, tmp_path):
    # an ellipsoid of 5 cm lies nowhere on the template
    told = segment(ensemble, tmp_path / "case").report.territory
    assert told.status == "not-assessed"
    assert "Registering the brain to MNI space failed" in told.reason
    with pytest.raises(MemberFailed, match="Registering the brain to MNI space failed"):
        segment(ensemble, tmp_path / "case", mni=True)


def test_territory_images_and_tables_of_a_case(ensemble, atlas, tmp_path):
    patient, from_mni = make_patient()
    place = np.stack(np.indices(patient.array.shape), axis=-1)
    center_mm = (from_mni @ INSULA_MM)[:3]
    lesion = np.linalg.norm(patient.grid.to_physical_mm(place) - center_mm, axis=-1) < 12
    fluid, brain = patient.array > FLUID_LEVEL, patient.array > 0
    dwi = np.select([lesion, fluid, brain], [1500, 40, 100 + patient.array / 2])
    adc = np.select([lesion, fluid, brain], [0.5, 2.8, 0.8])
    images = {"dwi": dwi, "adc": adc}
    paths = write_case(tmp_path, {name: patient.with_array(np.float32(array)) for name, array in images.items()})
    result = ensemble.segment(**paths, brain_extraction="off", mni=True)
    told = result.report.territory
    assert (told.status, told.side, told.registration.image) == ("assessed", "left", "dwi")
    assert told.atlas.sha256 == atlas.sha256
    loads_ml = sum(both.left + both.right for both in told.loads_ml.values())
    assert loads_ml + told.outside_ml == pytest.approx(result.volume_ml)
    out = tmp_path / "out"
    (out / "mni").mkdir(parents=True)
    (out / "mni" / "stale.nii.gz").write_bytes(b"")
    result.save(out)
    assert sorted(path.name for path in (out / "mni").iterdir()) == [
        "adc.nii.gz", "dwi.nii.gz", "dwi_to_mni.tfm",
        "lesion_mask.nii.gz", "lesion_probability.nii.gz", "mni_to_dwi.tfm",
    ]  # fmt: skip
    _check_mni_folder(out)
    _check_tables(out)
    assert json.loads((out / "report.json").read_text())["territory"]["name"] == told.name
    # a case without them does not keep another's
    segment(ensemble, tmp_path / "other", territory="off").save(out)
    assert list((out / "mni").iterdir()) == []


def _check_mni_folder(out: Path) -> None:
    """Check that what others make of the transform is what lies in the folder."""
    mask = sitk.ReadImage(str(out / "lesion_mask.nii.gz"))
    in_mni = sitk.ReadImage(str(out / "mni" / "lesion_mask.nii.gz"))
    assert in_mni.GetSize() == (197, 233, 189)
    to_mni = sitk.ReadTransform(str(out / "mni" / "dwi_to_mni.tfm"))
    again = sitk.Resample(mask, in_mni, to_mni, sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(in_mni))
    probability = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "mni" / "lesion_probability.nii.gz")))
    assert probability.dtype == np.float32
    assert 0 <= probability.min() <= probability.max() <= 1
    back = sitk.ReadTransform(str(out / "mni" / "mni_to_dwi.tfm"))
    np.testing.assert_allclose(back.TransformPoint(to_mni.TransformPoint((10.0, 20.0, 30.0))), (10, 20, 30), atol=1e-6)


def _check_tables(out: Path) -> None:
    report = json.loads((out / "report.json").read_text())
    (summary,) = csv.DictReader(io.StringIO((out / "summary.csv").read_text()))
    lesions = list(csv.DictReader(io.StringIO((out / "lesions.csv").read_text())))
    assert float(summary["lesion_volume_ml"]) == pytest.approx(report["lesion_volume_ml"])
    assert sum(float(lesion["volume_ml"]) for lesion in lesions) == pytest.approx(report["lesion_volume_ml"])
    assert sum(float(value) for name, value in summary.items() if name.startswith("load_")) == pytest.approx(
        report["lesion_volume_ml"], rel=1e-6
    )
    assert summary["territory_status"] == "assessed"


def test_an_atlas_that_is_not_there_ends_the_command(tmp_path, tiny_bundle):
    paths = write_case(tmp_path, make_bright_case()[0])
    given = [text for role in ("dwi", "adc", "flair") for text in (f"--{role}", str(paths[role]))]
    done = CliRunner().invoke(
        app,
        ["segment", *given, "--output", str(tmp_path / "out"), "--weights", str(tiny_bundle), "--atlas", str(tmp_path)],
    )
    assert done.exit_code == 5
    assert "There is no atlas in" in done.stderr
    assert not (tmp_path / "out").exists()
