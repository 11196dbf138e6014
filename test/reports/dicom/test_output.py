"""DICOM output from the study to the files: segments on the right voxels, right numbers, legal files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from bright_member import BrightMember
from dicom_files import Diffusion, SeriesTags, write_classic, write_enhanced
from dicom_results import (
    list_complaints,
    list_items,
    locate_by_dcmqi,
    locate_by_tags,
    locate_voxels,
    read_measurements_by_dcmqi,
    read_numbers,
    read_series,
    sort_places,
)
from highdicom.seg import segread
from highdicom.sr import srread
from pydicom import dcmread
from threshold_bundle import make_threshold_bundle
from volumes import make_volume

from deepisles import Ensemble
from deepisles.case.volume import Volume
from deepisles.findings.lesions import label_lesions
from deepisles.reports.images import write_volume

SHAPE = (10, 24, 20)
LESIONS = (np.s_[2:5, 4:9, 3:6], np.s_[6:8, 15:18, 12:15], np.s_[8:9, 20:22, 2:4])
"""Boxes along (z, y, x), of different sizes, nowhere symmetric."""
GEOMETRIES = {
    "axial": {},
    "oblique": {"rotation_deg": (12, -20, 8)},
    "sagittal": {"rotation_deg": (90, 0, 90)},
    "coronal": {"rotation_deg": (-90, 0, 0)},
}
DWI = SeriesTags(3, "siemens", ("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"), "trace")
ADC = SeriesTags(4, "siemens", ("DERIVED", "PRIMARY", "DIFFUSION", "ADC"), "adc")
TRACE, UNWEIGHTED = Diffusion(1000, is_trace=True), Diffusion(0)


def make_case(with_lesions=True, turned_slices=False, **geometry):
    """Make DWI, b 0, ADC and the lesions' truth on one grid; slices may run the other way than the axes' hand says."""
    volume = make_volume(SHAPE, spacing_mm=(2.0, 1.75, 4.0), **geometry)
    if turned_slices:
        direction = np.array(volume.grid.direction).reshape(3, 3)
        direction[:, 2] *= -1
        volume = Volume(volume.array, replace(volume.grid, direction=tuple(map(float, direction.ravel()))))
    noise = np.random.default_rng(3).integers(0, 40, size=SHAPE)
    truth = np.zeros(SHAPE, np.uint8)
    for number, box in enumerate(LESIONS if with_lesions else (), 1):
        truth[box] = number
    images = {
        "dwi": 200 + noise + 600 * (truth > 0),
        "b0": 700 + noise[::-1],
        "adc": 800 + noise[:, ::-1] - 400 * (truth > 0),
    }
    return {name: volume.with_array(array.astype(np.int16)) for name, array in images.items()}, Volume(
        truth, volume.grid
    )


def write_study(folder, images, is_enhanced=False):
    """Write the DWI and b 0 into one series, as scanners do, and the ADC map into another."""
    if is_enhanced:
        write_enhanced(folder / "dwi", [(images["b0"], UNWEIGHTED), (images["dwi"], TRACE)], DWI)
    else:
        write_classic(folder / "dwi", images["b0"], DWI, UNWEIGHTED)
        write_classic(folder / "dwi", images["dwi"], DWI, TRACE, first=100)
    write_classic(folder / "adc", images["adc"], ADC)
    return folder


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    loaded = Ensemble.load(make_threshold_bundle(tmp_path_factory.mktemp("weights") / "w"), "cpu", ["seals"])
    return Ensemble([BrightMember()], loaded.bundle, loaded.device, ())


def segment(ensemble, folder, source, output="source", **options):
    """Segment and save a case: the result and its output folder."""
    result = ensemble.segment(**source, brain_extraction="off", dicom_output=output, **options)
    result.save(folder / "out")
    return result, folder / "out"


def locate(volume: Volume, number: int):
    return sort_places(volume.grid.to_physical_mm(np.argwhere(volume.array == number)))


@pytest.mark.parametrize("is_enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize("turned", [False, True], ids=["", "turned-slices"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_segments_lie_on_the_lesions(ensemble, tmp_path, geometry, turned, is_enhanced):
    images, truth = make_case(turned_slices=turned, **GEOMETRIES[geometry])
    assert (np.linalg.det(np.array(truth.grid.direction).reshape(3, 3)) < 0) == turned
    study = write_study(tmp_path / "study", images, is_enhanced)
    _, out = segment(ensemble, tmp_path, {"study": study})
    path = out / "dicom" / "segmentation.dcm"
    by_tags, by_dcmqi = locate_by_tags(dcmread(path)), locate_by_dcmqi(path, tmp_path / "dcmqi")
    assert by_tags.keys() == by_dcmqi.keys() == {1, 2, 3}
    for number, places in by_tags.items():
        # against the volume that the DICOM was made from, which knows nothing of dcm2niix's turns
        np.testing.assert_allclose(places, locate(truth, number), atol=0.02)
        np.testing.assert_allclose(by_dcmqi[number], locate(truth, number), atol=0.02)
    union = sort_places(np.concatenate(list(by_tags.values())))
    np.testing.assert_allclose(union, locate_voxels(out / "lesion_mask.nii.gz"), atol=0.02)
    check_references(path, study, is_enhanced)
    assert [found for file in sorted((out / "dicom").iterdir()) for found in list_complaints(file)] == []


def check_references(path, study, is_enhanced):
    """Every frame must name the image at b 1000 that lies where it lies, none at b 0."""
    segmentation, sources = dcmread(path), {str(d.SOPInstanceUID): d for d in read_sources(study / "dwi")}
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        (named,) = group.DerivationImageSequence[0].SourceImageSequence
        source = sources[named.ReferencedSOPInstanceUID]
        if is_enhanced:
            frame = source.PerFrameFunctionalGroupsSequence[named.ReferencedFrameNumber - 1]
            assert frame.MRDiffusionSequence[0].DiffusionBValue == 1000
            lies = frame.PlanePositionSequence[0].ImagePositionPatient
        else:
            assert source.InstanceNumber >= 100
            lies = source.ImagePositionPatient
        np.testing.assert_allclose(place, np.array(lies, float), atol=1e-6)
    first = next(iter(sources.values()))
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientName", "PatientID", "PatientBirthDate"):
        assert segmentation[keyword].value == first[keyword].value
    assert segmentation.SeriesInstanceUID != first.SeriesInstanceUID


def read_sources(place):
    return [dcmread(path) for path in ([place] if place.is_file() else sorted(place.iterdir()))]


def test_the_segmentation_says_what_it_is_and_who_made_it(ensemble, tmp_path):
    images, _ = make_case()
    result, out = segment(ensemble, tmp_path, {"study": write_study(tmp_path / "study", images)})
    segmentation = segread(out / "dicom" / "segmentation.dcm")
    assert (segmentation.SegmentationType, segmentation.SegmentsOverlap) == ("BINARY", "NO")
    assert segmentation.ContentQualification == "RESEARCH"
    assert segmentation.ContentDescription == "For research use. Not a medical device."
    assert (segmentation.SeriesDescription, segmentation.SeriesNumber) == ("DeepISLES lesion segmentation", 3001)
    for number, segment_ in enumerate(segmentation.SegmentSequence, 1):
        assert (segment_.SegmentNumber, segment_.SegmentLabel) == (number, f"Lesion {number}")
        assert segment_.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
        assert segment_.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Infarct"
        assert segment_.AnatomicRegionSequence[0].CodeMeaning == "Brain"
        assert segment_.SegmentAlgorithmType == "AUTOMATIC"
        algorithm = segment_.SegmentationAlgorithmIdentificationSequence[0]
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("DeepISLES", result.report.software.version)
        assert result.report.weights.digest in algorithm.AlgorithmParameters
    volume = segmentation.get_volume(combine_segments=True)
    assert volume.spatial_shape[1:] == (SHAPE[1], SHAPE[2])
    assert (volume.array > 0).sum() == (result.mask.array > 0).sum()
    report = json.loads((out / "report.json").read_text())
    files = ["dicom/segmentation.dcm", "dicom/measurements.dcm"]
    assert report["dicom_output"] == {"series": "source", "segments": 3, "files": files}


def test_measurements_are_those_of_the_report(ensemble, tmp_path):
    images, _ = make_case(rotation_deg=(12, -20, 8))
    result, out = segment(ensemble, tmp_path, {"study": write_study(tmp_path / "study", images)})
    report, path = result.report, out / "dicom" / "measurements.dcm"
    numbers = read_numbers(dcmread(path))
    assert numbers["Number of lesions"] == [(3, "1")]
    volumes = [report.lesion_volume_ml, *(lesion.volume_ml for lesion in report.lesions)]
    assert [unit for _, unit in numbers["Volume"]] == ["ml"] * 4
    assert [number for number, _ in numbers["Volume"]] == pytest.approx(volumes)
    adc = [lesion.mean_adc_1e6_mm2_s for lesion in report.lesions]
    assert [number for number, _ in numbers["Apparent Diffusion Coefficient"]] == pytest.approx(adc)

    segmentation = segread(out / "dicom" / "segmentation.dcm")
    groups = srread(path).content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 3
    for group, tracked in zip(groups, segmentation.SegmentSequence, strict=True):
        assert group.referenced_segment.referenced_sop_instance_uid == segmentation.SOPInstanceUID
        assert group.referenced_segment.referenced_segment_numbers == [tracked.SegmentNumber]
        assert (group.tracking_uid, group.tracking_identifier) == (tracked.TrackingUID, tracked.TrackingID)
    told = read_measurements_by_dcmqi(path, tmp_path)
    found = [
        (float(item["value"]), item["units"]["CodeValue"])
        for group in told["Measurements"] for item in group["measurementItems"]
        if item["quantity"]["CodeMeaning"] == "Volume"
    ]  # fmt: skip
    assert [unit for _, unit in found] == ["ml"] * len(found)
    assert [number for number, _ in found][-3:] == pytest.approx(volumes[1:])


def test_no_lesion_is_measured_and_not_segmented(ensemble, tmp_path):
    images, _ = make_case(with_lesions=False)
    study = write_study(tmp_path / "study", images)
    # an earlier case's segmentation must not pass for this one's
    stale = tmp_path / "out" / "dicom" / "segmentation.dcm"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"another case")
    _, out = segment(ensemble, tmp_path, {"study": study}, dicom_probability=True)
    assert [path.name for path in (out / "dicom").iterdir()] == ["measurements.dcm"]
    dataset = dcmread(out / "dicom" / "measurements.dcm")
    assert read_numbers(dataset) == {"Number of lesions": [(0, "1")], "Volume": [(0, "ml")]}
    assert "Absent" in [
        item.ConceptCodeSequence[0].CodeMeaning for item in list_items(dataset) if item.ValueType == "CODE"
    ]
    assert list_complaints(out / "dicom" / "measurements.dcm") == []
    assert json.loads((out / "report.json").read_text())["dicom_output"]["segments"] == 0


@pytest.mark.parametrize("is_enhanced", [False, True], ids=["classic", "enhanced"])
def test_the_probability_comes_back(ensemble, tmp_path, is_enhanced):
    images, _ = make_case(rotation_deg=(12, -20, 8))
    study = write_study(tmp_path / "study", images, is_enhanced)
    result, out = segment(ensemble, tmp_path, {"study": study}, dicom_probability=True)
    path = out / "dicom" / "probability.dcm"
    assert dcmread(path).SegmentationFractionalType == "PROBABILITY"
    volume = segread(path).get_volume()
    places = locate_by_tags(dcmread(path))[1]
    possible = result.probability.with_array(result.probability.array > 0)
    np.testing.assert_allclose(places, locate(possible, 1), atol=0.02)
    assert volume.array.sum() == pytest.approx(result.probability.array.sum(), rel=0.01)
    assert list_complaints(path) == []


def test_the_same_case_twice_gives_the_same_pixels_under_new_names(ensemble, tmp_path):
    images, _ = make_case()
    study = write_study(tmp_path / "study", images)
    first, second = (
        dcmread(segment(ensemble, tmp_path / name, {"study": study})[1] / "dicom" / "segmentation.dcm") for name in "ab"
    )
    assert first.PixelData == second.PixelData
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_a_zip_is_gone_when_its_segmentation_is_written(ensemble, tmp_path):
    images, truth = make_case()
    study = write_study(tmp_path / "study", images)
    zipped = shutil.make_archive(str(tmp_path / "zipped"), "zip", study)
    shutil.rmtree(study)
    _, out = segment(ensemble, tmp_path, {"study": zipped})
    places = locate_by_tags(dcmread(out / "dicom" / "segmentation.dcm"))
    np.testing.assert_allclose(places[1], locate(truth, 1), atol=0.02)


def test_a_trace_made_of_directions_lies_on_the_first_of_them(ensemble, tmp_path):
    images, truth = make_case()
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    tags = SeriesTags(7, "siemens", ("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"), "dti")
    for number, axis in enumerate(axes, 1):
        write_classic(tmp_path / "study", images["dwi"], tags, Diffusion(1000, axis), first=100 * number)
    write_classic(tmp_path / "study" / "adc", images["adc"], ADC)
    _, out = segment(ensemble, tmp_path, {"study": tmp_path / "study"})
    segmentation = dcmread(out / "dicom" / "segmentation.dcm")
    np.testing.assert_allclose(locate_by_tags(segmentation)[2], locate(truth, 2), atol=0.02)
    assert len(segmentation.SourceImageSequence) == SHAPE[0]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_derived_series_shows_the_dwi_and_carries_the_segmentation(ensemble, tmp_path, geometry):
    images, truth = make_case(turned_slices=True, **GEOMETRIES[geometry])
    paths = {name: tmp_path / f"{name}.nii.gz" for name in ("dwi", "adc")}
    for name, path in paths.items():
        write_volume(path, images[name].array, images[name].grid)
    _, out = segment(ensemble, tmp_path, paths, "derived")
    written = read_series(out / "dicom")
    places = locate_by_tags(written["segmentation.dcm"])
    for number in (1, 2, 3):
        np.testing.assert_allclose(places[number], locate(truth, number), atol=0.02)
    # the pictures themselves, by ITK's own reader: lesions are bright where the truth is
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(out / "dicom" / "dwi"))
    series = sitk.ReadImage(names)
    grid = sitk.Image(SHAPE[::-1], sitk.sitkUInt8)
    grid.SetOrigin(truth.grid.origin_mm)
    grid.SetSpacing(truth.grid.spacing_mm)
    grid.SetDirection(truth.grid.direction)
    back = sitk.GetArrayFromImage(sitk.Resample(series, grid, sitk.Transform(), sitk.sitkNearestNeighbor))
    np.testing.assert_array_equal(back, images["dwi"].array)
    assert [found for name in written for found in list_complaints(out / "dicom" / name)] == []
    report = json.loads((out / "report.json").read_text())["dicom_output"]
    pictures = [f"dicom/dwi/{number:04d}.dcm" for number in range(1, len(names) + 1)]
    assert report["files"] == [*pictures, "dicom/segmentation.dcm", "dicom/measurements.dcm"]
    assert report["series"] == "derived"


def test_a_derived_series_is_nobodys(ensemble, tmp_path):
    images, _ = make_case()
    study = write_study(tmp_path / "study", images)
    sources = {str(dataset.StudyInstanceUID) for dataset in read_sources(study / "dwi")}
    _, out = segment(ensemble, tmp_path, {"study": study}, "derived", dicom_probability=True)
    for path in (out / "dicom").rglob("*.dcm"):
        dataset = dcmread(path)
        assert str(dataset.PatientName) == "Anonymous^Case"
        assert (dataset.PatientIdentityRemoved, str(dataset.PatientBirthDate)) == ("YES", "")
        assert str(dataset.StudyInstanceUID) not in sources
        assert b"Jane" not in path.read_bytes()
        assert b"4711" not in (str(dataset.PatientID)).encode()


@pytest.mark.parametrize("case", ["isles22-0009", "thick-slices"])
def test_the_segmentation_of_a_real_case(ensemble, cases, tmp_path, case):
    from deepisles.case.reading import read_volume

    volumes = {name: read_volume(cases / case / f"{name}.nii.gz", name) for name in ("dwi", "adc")}
    write_classic(tmp_path / "study" / "dwi", volumes["dwi"], DWI, TRACE)
    write_classic(tmp_path / "study" / "adc", volumes["adc"], ADC)
    strict = Ensemble([BrightMember(times_median=4)], ensemble.bundle, ensemble.device, ())
    result, out = segment(strict, tmp_path, {"study": tmp_path / "study"})
    path = out / "dicom" / "segmentation.dcm"
    labels = result.mask.with_array(label_lesions(result.mask.array))
    by_tags, by_dcmqi = locate_by_tags(dcmread(path)), locate_by_dcmqi(path, tmp_path / "dcmqi")
    assert len(by_tags) == len(by_dcmqi) == len(result.lesions) >= 3
    for number, places in by_tags.items():
        np.testing.assert_allclose(places, locate(labels, number), atol=0.02)
        np.testing.assert_allclose(by_dcmqi[number], places, atol=0.02)
    assert result.mask.grid.matches(volumes["dwi"].grid, 1e-3)
    assert [found for file in sorted((out / "dicom").iterdir()) for found in list_complaints(file)] == []
