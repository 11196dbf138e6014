"""The whole path of a case, through the library."""

from __future__ import annotations

import json
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from bright_member import BrightMember
from heads import BRAIN_ML, IntensityExtractor, make_adc, make_head
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from torch import nn

from deepisles import Ensemble
from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.reading import read_volume
from deepisles.errors import GeometryError, InputRefused, MemberFailed, WeightsError

ORIENTATIONS = [
    (axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)
]  # all 48 storage orders of one image


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("weights") / "threshold")


@pytest.fixture(scope="module")
def ensemble(bundle):
    return Ensemble.load(bundle, device="cpu")


@pytest.fixture
def case(tmp_path):
    images, truth = make_bright_case()
    return write_case(tmp_path, images), truth


def segment(ensemble, paths, **options):
    return ensemble.segment(**paths, registration="none", **options)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_the_lesion_is_found_measured_and_reported(ensemble, case):
    paths, truth = case
    result = segment(ensemble, paths)
    mask = result.mask.array > 0
    assert result.mask.array.dtype == np.uint8
    assert dice(mask, truth) > 0.9
    assert result.volume_ml == pytest.approx(mask.sum() * 2 * 2 * 3 / 1000)
    assert len(result.lesions) == 1
    assert result.lesions[0].votes == pytest.approx({"seals": 1, "nvauto": 1, "swan": 1}, abs=0.3)
    report = result.report
    assert (report.verdict, report.degraded) == ("lesion", False)
    assert report.consensus.rule == "majority"
    assert [member.status for member in report.members] == ["ran"] * 3
    assert report.lesions[0].mean_adc_1e6_mm2_s == pytest.approx(500, abs=60)


@pytest.mark.parametrize("alone", ["seals", "nvauto", "swan"])
def test_a_lesion_that_only_one_member_sees_is_no_lesion_with_a_warning(tmp_path, alone):
    blind = tuple(name for name in ("seals", "nvauto", "swan") if name != alone)
    ensemble = Ensemble.load(make_threshold_bundle(tmp_path / "weights", blind=blind), device="cpu")
    images, _ = make_bright_case(spacing_mm=(3.0, 3.0, 4.0))
    result = segment(ensemble, write_case(tmp_path, images))
    assert not result.mask.array.any()
    assert result.report.verdict == "no-lesion"
    (told,) = (warning for warning in result.report.warnings if "voted" in warning)
    marked_ml = (result.predictions[alone].mask > 0).sum() * 3 * 3 * 4 / 1000
    assert f"{alone.upper()} marks {marked_ml:.1f} ml" in told
    assert not any(name.upper() in told for name in blind)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_the_lesion_keeps_its_place_in_all_48_storage_orders(ensemble, tmp_path, axes, flips):
    images, truth = make_bright_case()
    reordered = {
        name: to_volume(sitk.Flip(sitk.PermuteAxes(to_image(volume), axes), flips, False))
        for name, volume in images.items()
    }
    result = segment(ensemble, write_case(tmp_path, reordered))
    reference = images["dwi"].with_array(truth.astype(np.uint8))
    back = sitk.Resample(to_image(result.mask), to_image(reference), sitk.Transform(), sitk.sitkNearestNeighbor)
    assert dice(sitk.GetArrayFromImage(back) > 0, truth) > 0.9
    assert result.mask.grid.matches(reordered["dwi"].grid, 1e-5)


def test_the_same_case_twice_is_the_same_to_the_bit(ensemble, case):
    first, second = (segment(ensemble, case[0]) for _ in range(2))
    for name in ("mask", "probability", "agreement"):
        np.testing.assert_array_equal(getattr(first, name).array, getattr(second, name).array)

    def without_times(report):
        told = report.model_dump(exclude={"timing_seconds"})
        for member in told["members"]:
            del member["seconds"]
        return told

    assert without_times(first.report) == without_times(second.report)


def test_the_output_folder_is_complete_and_reads_back(ensemble, case, tmp_path):
    result = segment(ensemble, case[0])
    result.save(tmp_path / "out", save_members=True)
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")} == {
        "lesion_mask.nii.gz", "lesion_probability.nii.gz", "lesion_agreement.nii.gz",
        "overview.png", "report.html", "report.json", "lesions.csv", "summary.csv",
        *(f"members/{name}_{kind}.nii.gz" for name in ("seals", "nvauto", "swan") for kind in ("mask", "probability")),
    }  # fmt: skip
    mask = read_volume(tmp_path / "out" / "lesion_mask.nii.gz", "mask", allow_constant=True)
    np.testing.assert_array_equal(mask.array, result.mask.array)
    assert mask.array.dtype == np.uint8
    dwi = read_volume(case[0]["dwi"], "DWI")
    assert mask.grid.matches(dwi.grid, 1e-5)
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["lesion_volume_ml"] == pytest.approx(int(mask.array.sum()) * 0.012)


def test_how_much_is_drawn_can_be_chosen(ensemble, case, tmp_path):
    result = segment(ensemble, case[0])
    pages = {}
    for pictures in ("viewer", "static", "none"):
        # into the same folder: no picture of the run before stays
        result.save(tmp_path, pictures=pictures)
        pages[pictures] = (tmp_path / "report.html").read_text()
        assert (tmp_path / "overview.png").exists() == (pictures != "none")
    assert ['id="viewer-canvas"' in page for page in pages.values()] == [True, False, False]
    assert ["<img" in page for page in pages.values()] == [True, True, False]
    assert len(pages["none"]) < 20_000 < len(pages["static"]) < 1_000_000 < len(pages["viewer"]) < 8_000_000


def test_no_lesion_is_an_answer(ensemble, tmp_path):
    images, _ = make_bright_case()
    # even noise has no voxel two deviations above its mean
    noise = np.random.default_rng(0).uniform(90, 110, size=images["dwi"].array.shape).astype(np.float32)
    healthy = images["dwi"].with_array(np.where(images["adc"].array > 0, noise, 0).astype(np.float32))
    result = segment(ensemble, write_case(tmp_path, {**images, "dwi": healthy}))
    assert result.volume_ml == 0
    assert (result.report.verdict, result.report.lesion_count, result.report.lesions) == ("no-lesion", 0, ())


def test_without_flair_seals_decides_and_the_report_says_so(ensemble, case):
    paths, _ = case
    result = ensemble.segment(paths["dwi"], paths["adc"])
    np.testing.assert_array_equal(result.mask.array, result.predictions["seals"].mask)
    report = result.report
    assert report.degraded
    assert "FLAIR" in (report.degraded_reason or "")
    assert report.consensus.members == ("seals",)
    assert {member.name: member.status for member in report.members}["swan"] == "not-run"
    assert ensemble.segment(paths["dwi"], paths["adc"], consensus="mean").report.consensus.rule == "mean-probability"


def test_one_member_alone_is_its_own_mask(bundle, case):
    alone = Ensemble.load(bundle, device="cpu", members=["nvauto"])
    result = segment(alone, case[0])
    np.testing.assert_array_equal(result.mask.array, result.predictions["nvauto"].mask)
    assert not result.report.degraded


class Broken(nn.Module):
    """A network that runs out of memory."""

    def forward(self, image):
        """Fail."""
        raise RuntimeError("out of memory")


def test_a_failing_member_stops_the_case_unless_allowed(bundle, case):
    ensemble = Ensemble.load(bundle, device="cpu")
    ensemble.members[1].networks[0] = Broken()
    with pytest.raises(MemberFailed, match="NVAUTO failed"):
        segment(ensemble, case[0])
    result = segment(ensemble, case[0], allow_degraded=True)
    assert result.report.degraded
    assert "out of memory" in (result.report.degraded_reason or "")
    np.testing.assert_array_equal(result.mask.array, result.predictions["seals"].mask)


class NotANumber(nn.Module):
    """A network whose answer is not a number."""

    def forward(self, image):
        """Answer nonsense."""
        return image[:, :2] * float("nan")


def test_an_answer_that_is_not_a_number_is_a_failure_not_an_empty_mask(bundle, case):
    ensemble = Ensemble.load(bundle, device="cpu", members=["nvauto"])
    ensemble.members[0].networks[0] = NotANumber()
    with pytest.raises(MemberFailed, match="not numbers"):
        segment(ensemble, case[0])


def test_when_all_members_fail_there_is_no_mask(bundle, case):
    ensemble = Ensemble.load(bundle, device="cpu", members=["nvauto"])
    ensemble.members[0].networks[0] = Broken()
    with pytest.raises(MemberFailed, match="Every member failed"):
        segment(ensemble, case[0], allow_degraded=True)


def test_an_adc_on_another_grid_is_resampled_with_a_warning(ensemble, tmp_path):
    images, truth = make_bright_case()
    finer = sitk.Resample(
        to_image(images["adc"]), [52, 60, 32], sitk.Transform(), sitk.sitkLinear,
        images["adc"].grid.origin_mm, [1.0, 1.0, 1.5], images["adc"].grid.direction, 0.0,
    )  # fmt: skip
    result = segment(ensemble, write_case(tmp_path, {**images, "adc": to_volume(finer)}))
    assert dice(result.mask.array > 0, truth) > 0.9
    assert any("ADC" in warning for warning in result.report.warnings)


def write_head(folder, **options):
    dwi = make_head("dwi", **options)
    return write_case(folder, {"dwi": dwi, "adc": make_adc(dwi)})


@pytest.fixture(scope="module")
def extracting(bundle):
    """Make an ensemble with a brain extractor of its own and a quick member."""
    loaded = Ensemble.load(bundle, device="cpu", members=["seals"])
    return Ensemble([BrightMember()], loaded.bundle, loaded.device, (), IntensityExtractor())


def test_a_head_is_stripped_reported_and_its_mask_saved(extracting, tmp_path):
    result = extracting.segment(**write_head(tmp_path))
    told = result.report.brain_extraction
    assert told is not None
    assert (told.status, told.method, told.source, told.images) == ("done", "intensity 1.0", "dwi", ("dwi", "adc"))
    assert told.brain_volume_ml == pytest.approx(BRAIN_ML, rel=0.02)
    assert told.seconds is not None
    assert result.brain_mask is not None
    outside = result.brain_mask.array == 0
    assert not result.images.dwi.array[outside].any()
    assert not result.images.adc.array[outside].any()
    assert "brain extraction" in result.report.timing_seconds
    result.save(tmp_path / "out")
    mask = read_volume(tmp_path / "out" / "brain_mask.nii.gz", "mask")
    np.testing.assert_array_equal(mask.array, result.brain_mask.array)
    assert mask.array.dtype == np.uint8
    assert mask.grid.matches(result.mask.grid, 1e-4)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "intensity 1.0 on the DWI" in page
    # the mask is judged on the DWI as it came
    assert "outline of the brain mask" in page
    assert result.unstripped_dwi is not None
    assert result.unstripped_dwi.array[outside].any()


@pytest.mark.parametrize(("mode", "status"), [("auto", "not-needed"), ("off", "off")])
def test_without_extraction_the_images_are_untouched_and_no_mask_is_left(extracting, tmp_path, mode, status):
    paths = write_head(tmp_path, stripped=True)
    result = extracting.segment(**paths, brain_extraction=mode)
    assert result.report.brain_extraction is not None
    assert result.report.brain_extraction.model_dump(exclude_defaults=True) == {"status": status}
    assert result.brain_mask is None
    for name in ("dwi", "adc"):
        stored = read_volume(paths[name], name).array
        assert getattr(result.images, name).array.tobytes() == stored.tobytes()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "brain_mask.nii.gz").write_bytes(b"an earlier case's")
    (tmp_path / "out" / "members").mkdir()
    (tmp_path / "out" / "members" / "seals_mask.nii.gz").write_bytes(b"an earlier case's")
    (tmp_path / "out" / "members" / "notes.txt").write_text("the user's own")
    result.save(tmp_path / "out")
    assert not (tmp_path / "out" / "brain_mask.nii.gz").exists()
    assert [path.name for path in (tmp_path / "out" / "members").iterdir()] == ["notes.txt"]


def test_an_unknown_way_of_brain_extraction_is_refused(extracting, tmp_path):
    with pytest.raises(InputRefused, match="one of auto, on, off"):
        extracting.segment(**write_head(tmp_path), brain_extraction="sometimes")


def test_a_real_head_goes_the_whole_way(bundle, cases):
    loaded = Ensemble.load(bundle, device="cpu", members=["seals"])
    ensemble = Ensemble([BrightMember()], loaded.bundle, loaded.device, ())
    folder = cases / "soop-sub3"
    result = ensemble.segment(folder / "dwi.nii.gz", folder / "adc.nii.gz")
    told = result.report.brain_extraction
    assert told is not None
    assert (told.status, told.method, told.source) == ("done", "deepbet 1.0.2", "dwi")
    assert told.brain_volume_ml == pytest.approx(1400, rel=0.1)
    assert result.brain_mask is not None
    assert not (result.mask.array[result.brain_mask.array == 0]).any()
    truth = read_volume(folder / "mask.nii.gz", "mask").array > 0
    assert dice(result.mask.array > 0, truth) > 0.6


def test_a_flair_elsewhere_is_refused(ensemble, tmp_path):
    images, _ = make_bright_case()
    far = to_image(images["flair"])
    far.SetOrigin((500.0, 0.0, 0.0))
    paths = write_case(tmp_path, {**images, "flair": to_volume(far)})
    with pytest.raises(GeometryError, match="FLAIR"):
        ensemble.segment(**paths)
    with pytest.raises(GeometryError, match="DWI's grid"):
        segment(ensemble, paths)


def test_swan_alone_needs_flair(bundle, case):
    ensemble = Ensemble.load(bundle, device="cpu", members=["swan"])
    with pytest.raises(InputRefused, match="FLAIR"):
        ensemble.segment(case[0]["dwi"], case[0]["adc"])


def test_an_asked_for_member_without_weights_is_a_weights_error(tmp_path, case):
    only_seals = make_threshold_bundle(tmp_path / "only", members=("seals",))
    with pytest.raises(WeightsError, match="SWAN"):
        Ensemble.load(only_seals, device="cpu", members=["swan"])
    report = segment(Ensemble.load(only_seals, device="cpu"), case[0]).report
    assert report.degraded
    assert [member.status for member in report.members] == ["ran", "not-run", "not-run"]


@pytest.mark.parametrize(
    ("name", "ending"),
    [("isles22-0009", ".nii.gz"), ("soop-sub3", ".nii.gz"), ("thick-slices", ".nii.gz"), ("thick-slices", ".mha")],
)
def test_every_real_case_goes_through_without_options_or_warnings(bundle, cases, name, ending):
    """Stripped or not, 2 to 6 mm slices, two units, 3-D and 4-D, NIfTI and MetaImage."""
    loaded = Ensemble.load(bundle, device="cpu", members=["seals"])
    ensemble = Ensemble([BrightMember()], loaded.bundle, loaded.device, ())
    if ending == ".mha":
        images = {role: next((cases / name).rglob(f"*{role}*/*.mha")) for role in ("dwi", "adc")}
    else:
        images = {role: cases / name / f"{role}{ending}" for role in ("dwi", "adc")}
    result = ensemble.segment(**images)
    assert result.report.warnings == ()
    assert result.report.verdict == "lesion"
