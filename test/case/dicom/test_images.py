"""DICOM read as a case: the voxels, places and warnings that come out of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from dicom_files import STUDY, Diffusion, SeriesTags, write_classic, write_enhanced, write_mosaic
from pydicom import dcmread
from pydicom.uid import RLELossless, generate_uid
from volumes import make_volume

from deepisles.case.dicom import conversion
from deepisles.case.opening import open_case
from deepisles.case.reading import read_volume
from deepisles.case.source import CaseSource, SeriesChoice
from deepisles.case.volume import Volume
from deepisles.errors import GeometryError, InputRefused

SHAPE = (7, 12, 10)
TRACE = ("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND")
PLAIN = ("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE", "ND")
ADC = ("DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND")
AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
AT_B1000 = Diffusion(1000, is_trace=True)
MODALITIES = ("dwi", "adc", "flair")


def make_whole(seed=0, high=900, shape=SHAPE, **geometry):
    """Make a volume of whole numbers, which DICOM stores as they are."""
    volume = make_volume(shape, **geometry)
    return volume.with_array(np.random.default_rng(seed).integers(100, high, size=shape).astype(np.uint16))


def make_tags(modality, number, vendor="siemens", **tags):
    words = {"dwi": TRACE, "adc": ADC, "flair": ("ORIGINAL", "PRIMARY", "M")}[modality]
    return SeriesTags(number, vendor, words, inversion_ms=2500 if modality == "flair" else None, **tags)


def write_study(folder: Path, volumes, vendor="siemens", is_enhanced=False, **tags):
    """Write each volume as a series, in a folder of its name."""
    for number, (modality, volume) in enumerate(volumes.items(), 3):
        series = make_tags(modality, number, vendor, **tags)
        diffusion = Diffusion(1000, is_trace=True, where="comment" if vendor == "canon" else "private")
        diffusion = diffusion if modality == "dwi" else None
        if is_enhanced:
            write_enhanced(folder / modality / "multiframe", [(volume, diffusion)], series)
        else:
            write_classic(folder / modality, volume, series, diffusion)
    return folder


def same(read: Volume, written: Volume, relative=1e-6):
    """Whether an image holds the same values at the same places in the patient, stored in whatever order."""
    np.testing.assert_allclose(read.grid.spacing_mm, written.grid.spacing_mm, rtol=1e-5)
    if read.grid.matches(written.grid, 1e-3):
        np.testing.assert_allclose(read.array, written.array, rtol=0, atol=relative * np.abs(written.array).max())
        return True
    z, y, x = np.meshgrid(*(np.arange(n) for n in written.array.shape), indexing="ij")
    places = written.grid.to_physical_mm(np.stack([z, y, x], axis=-1).astype(float))
    homogeneous = np.append(places, np.ones((*places.shape[:3], 1)), axis=-1)
    index = np.round((homogeneous @ np.linalg.inv(read.grid.affine_lps).T)[..., 2::-1]).astype(int)
    found = read.array[index[..., 0], index[..., 1], index[..., 2]]
    np.testing.assert_allclose(found, written.array, rtol=0, atol=relative * np.abs(written.array).max())
    return True


@pytest.mark.parametrize("is_enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize("case", ["isles22-0009", "soop-sub3", "thick-slices"])
def test_the_dicom_of_a_real_case_is_the_case(cases, tmp_path, case, is_enhanced):
    paths = {name: cases / case / f"{name}.nii.gz" for name in MODALITIES}
    volumes = {name: read_volume(path, name) for name, path in paths.items() if path.exists()}
    write_study(tmp_path, volumes, is_enhanced=is_enhanced)
    opened = open_case(CaseSource(study=tmp_path))
    for name, volume in volumes.items():
        read = getattr(opened.case, name)
        # the same storage order too, so that networks see the same picture
        assert read.grid.matches(volume.grid, 1e-3)
        # 16 bits with a sign hold steps of 3e-5 of the largest value
        np.testing.assert_allclose(read.array, volume.array, rtol=0, atol=1.6e-5 * np.abs(volume.array).max())
    assert (opened.case.flair is None) == ("flair" not in volumes)
    assert opened.case.warnings == ()
    assert {image.role: image.series_number for image in opened.dicom.images} == dict(
        zip(volumes, range(3, 6), strict=False)
    )


@pytest.mark.parametrize("is_enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize("vendor", ["siemens", "ge", "philips", "canon"])
def test_oblique_images_of_every_vendor(tmp_path, vendor, is_enhanced):
    volumes = {name: make_whole(seed, rotation_deg=(12, -20, 8)) for seed, name in enumerate(MODALITIES)}
    write_study(tmp_path, volumes, vendor, is_enhanced)
    for source in (CaseSource(study=tmp_path), CaseSource(*(tmp_path / name for name in MODALITIES))):
        case = open_case(source).case
        assert all(same(getattr(case, name), volume) for name, volume in volumes.items())


def test_a_sagittal_flair_keeps_its_place(tmp_path):
    volumes = {name: make_whole(seed) for seed, name in enumerate(MODALITIES)}
    volumes["flair"] = make_whole(9, shape=(16, 24, 20), rotation_deg=(90, 0, 90), spacing_mm=(1.0, 1.0, 1.0))
    case = open_case(CaseSource(study=write_study(tmp_path, volumes))).case
    assert same(case.flair, volumes["flair"])


def test_a_mosaic(tmp_path):
    volumes = {name: make_whole(seed, shape=(11, 16, 16)) for seed, name in enumerate(("dwi", "adc"))}
    write_mosaic(tmp_path / "m", volumes["dwi"], make_tags("dwi", 3), AT_B1000)
    write_classic(tmp_path / "a", volumes["adc"], make_tags("adc", 4))
    case = open_case(CaseSource(study=tmp_path)).case
    assert all(same(getattr(case, name), volume) for name, volume in volumes.items())


@pytest.mark.parametrize("is_enhanced", [False, True], ids=["classic", "enhanced"])
def test_compressed_pixels(tmp_path, is_enhanced):
    volumes = {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))}
    write_study(tmp_path, volumes, is_enhanced=is_enhanced)
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        dataset = dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    case = open_case(CaseSource(study=tmp_path)).case
    assert all(same(getattr(case, name), volume) for name, volume in volumes.items())


def test_one_zip_per_image_and_one_of_the_study(tmp_path):
    volumes = {name: make_whole(seed) for seed, name in enumerate(MODALITIES)}
    write_study(tmp_path / "study", volumes)
    zips = [Path(shutil.make_archive(str(tmp_path / name), "zip", tmp_path / "study" / name)) for name in MODALITIES]
    whole = Path(shutil.make_archive(str(tmp_path / "whole"), "zip", tmp_path / "study"))
    for source in (CaseSource(*zips), CaseSource(study=whole)):
        case = open_case(source).case
        assert all(same(getattr(case, name), volume) for name, volume in volumes.items())


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    study = write_study(tmp_path / "study", {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))})
    before = sorted(study.rglob("*"))
    open_case(CaseSource(study=study))
    (study / "adc" / "IM0003").unlink()
    with pytest.raises(GeometryError):
        open_case(CaseSource(study=study))
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(study.rglob("*")) == [path for path in before if path.name != "IM0003" or path.parent.name != "adc"]


def test_an_adc_is_computed_from_b_0_and_the_trace(tmp_path):
    b0, trace = make_whole(0, high=3000), make_whole(1, high=2000)
    uid = generate_uid()
    write_classic(tmp_path, b0, SeriesTags(5, "siemens", TRACE, uid=uid), Diffusion(0))
    write_classic(tmp_path, trace, SeriesTags(5, "siemens", TRACE, uid=uid), AT_B1000, first=50)
    for source in (CaseSource(study=tmp_path), CaseSource(dwi=tmp_path)):
        opened = open_case(source)
        ratio = b0.array / trace.array
        expected = np.maximum(np.log(ratio) / 1000, 0) * 1e6
        assert same(opened.case.adc, b0.with_array(expected.astype(np.float32)))
        assert same(opened.case.dwi, trace)
        assert any("computed from b 0 and b 1000 as ln(S0/S1000)/1000" in text for text in opened.case.warnings)
        (image,) = (image for image in opened.dicom.images if image.role == "adc")
        assert (image.how, image.low_b_value_s_mm2, image.b_value_s_mm2) == ("b0-and-dwi", 0, 1000)


def test_a_b_50_in_the_place_of_b_0_counts_as_what_it_is(tmp_path):
    low, trace, uid = make_whole(0, high=3000), make_whole(1, high=2000), generate_uid()
    write_classic(tmp_path, low, SeriesTags(5, "siemens", TRACE, uid=uid), Diffusion(50))
    write_classic(tmp_path, trace, SeriesTags(5, "siemens", TRACE, uid=uid), AT_B1000, first=50)
    expected = np.maximum(np.log(low.array / trace.array) / 950, 0) * 1e6
    assert same(open_case(CaseSource(study=tmp_path)).case.adc, low.with_array(expected.astype(np.float32)))


def test_directions_become_a_trace_and_with_b_0_an_adc(tmp_path):
    b0, uid = make_whole(0, high=3000), generate_uid()
    directions = [make_whole(seed, high=2000) for seed in (1, 2, 3)]
    write_classic(tmp_path, b0, SeriesTags(5, "siemens", PLAIN, uid=uid), Diffusion(0))
    for index, (axis, volume) in enumerate(zip(AXES, directions, strict=True), 1):
        tags = SeriesTags(5, "siemens", PLAIN, uid=uid)
        write_classic(tmp_path, volume, tags, Diffusion(1000, axis), first=50 * index)
    opened = open_case(CaseSource(study=tmp_path))
    trace = np.prod([volume.array.astype(float) for volume in directions], axis=0) ** (1 / 3)
    assert same(opened.case.dwi, b0.with_array(trace.astype(np.float32)))
    mean_of_directions = np.mean([np.log(b0.array / volume.array) for volume in directions], axis=0) * 1000
    assert same(opened.case.adc, b0.with_array(np.maximum(mean_of_directions, 0).astype(np.float32)))
    assert any("geometric mean of 3 diffusion directions" in text for text in opened.case.warnings)


def test_without_adc_and_b_0_the_case_is_refused(tmp_path):
    write_study(tmp_path, {"dwi": make_whole()})
    with pytest.raises(InputRefused, match=r"no ADC map.*--adc-series"):
        open_case(CaseSource(study=tmp_path))


def test_philips_scales(tmp_path):
    """An ADC is wanted as displayed, in a known unit; signals in the scale that makes b-values comparable."""
    volumes = {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))}
    write_study(tmp_path, volumes, "philips")
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        dataset = dcmread(path)
        dataset.RescaleSlope, dataset.RescaleIntercept = "2", "0"
        block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0D, "FL", 0.0)
        block.add_new(0x0E, "FL", 0.125)
        dataset.save_as(path)
    case = open_case(CaseSource(study=tmp_path)).case
    assert same(case.adc, volumes["adc"].with_array(volumes["adc"].array * 2.0))
    assert same(case.dwi, volumes["dwi"].with_array(volumes["dwi"].array / 0.125))


@pytest.mark.parametrize("vendor", ["siemens", "ge", "philips"])
def test_slices_with_scales_of_their_own(tmp_path, vendor):
    volumes = {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))}
    write_study(tmp_path, volumes, vendor)
    expected = volumes["adc"].array.astype(np.float32)
    for index, path in enumerate(sorted((tmp_path / "adc").iterdir())):
        dataset = dcmread(path)
        dataset.RescaleSlope = f"{1 + index / 4:g}"
        dataset.save_as(path)
        expected[index] *= 1 + index / 4
    assert same(open_case(CaseSource(study=tmp_path)).case.adc, volumes["adc"].with_array(expected))


@pytest.mark.parametrize("vendor", ["siemens", "philips"])
def test_frames_with_scales_of_their_own(tmp_path, vendor):
    """The converter follows them in Philips' files alone: what it would get wrong is refused."""
    volumes = {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))}
    write_study(tmp_path, volumes, vendor, is_enhanced=True)
    path = tmp_path / "adc" / "multiframe"
    dataset = dcmread(path)
    for index, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        group.PixelValueTransformationSequence[0].RescaleSlope = f"{1 + index / 4:g}"
    dataset.save_as(path)
    if vendor == "siemens":
        with pytest.raises(InputRefused, match="scales of their own"):
            open_case(CaseSource(study=tmp_path))
    else:
        expected = volumes["adc"].array * (1 + np.arange(SHAPE[0]) / 4)[:, None, None]
        assert same(open_case(CaseSource(study=tmp_path)).case.adc, volumes["adc"].with_array(expected))


def remove_middle(folder):
    (folder / "IM0004").unlink()


def move_one(folder):
    dataset = dcmread(folder / "IM0004")
    dataset.ImagePositionPatient[2] += 1.0
    dataset.save_as(folder / "IM0004")


def shear(folder):
    for index, path in enumerate(sorted(folder.iterdir())):
        dataset = dcmread(path)
        dataset.ImagePositionPatient[1] += index * 0.5
        dataset.save_as(path)


def lose_places(folder):
    for path in folder.iterdir():
        dataset = dcmread(path)
        del dataset.ImagePositionPatient
        dataset.save_as(path)


@pytest.mark.parametrize(
    ("spoil", "fragment"),
    [(remove_middle, "lacks slices"), (move_one, "unevenly"), (shear, "sheared"), (lose_places, "where they lie")],
)
def test_slices_that_are_no_regular_stack_are_refused(tmp_path, spoil, fragment):
    write_study(tmp_path, {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))})
    spoil(tmp_path / "adc")
    with pytest.raises(GeometryError, match=f"ADC (series|slices).*{fragment}"):
        open_case(CaseSource(study=tmp_path))


@pytest.mark.parametrize("is_enhanced", [False, True], ids=["classic", "enhanced"])
def test_pixels_that_are_cut_short_are_refused(tmp_path, is_enhanced):
    write_study(tmp_path, {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))}, is_enhanced=is_enhanced)
    for path in (tmp_path / "adc").iterdir():
        path.write_bytes(path.read_bytes()[:-150])
    with pytest.raises(InputRefused, match="ADC"):
        open_case(CaseSource(study=tmp_path))


def test_a_conversion_that_hangs_is_ended_and_said(tmp_path, monkeypatch):
    write_study(tmp_path, {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))})
    monkeypatch.setattr(conversion, "TIME_LIMIT_SECONDS", 1e-4)
    with pytest.raises(InputRefused, match="longer than"):
        open_case(CaseSource(study=tmp_path))


def test_images_of_two_patients_are_refused(tmp_path):
    volumes = {name: make_whole(seed) for seed, name in enumerate(MODALITIES)}
    write_study(tmp_path, volumes)
    shutil.rmtree(tmp_path / "flair")
    write_classic(tmp_path / "flair", volumes["flair"], make_tags("flair", 5, patient="0815"))
    with pytest.raises(InputRefused, match="different patients") as refused:
        open_case(CaseSource(*(tmp_path / name for name in MODALITIES)))
    assert "0815" not in str(refused.value)


def test_an_image_without_a_patient_id_is_nobody_elses(tmp_path):
    volumes = {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))}
    write_study(tmp_path, {"dwi": volumes["dwi"]})
    write_classic(tmp_path / "adc", volumes["adc"], make_tags("adc", 4, patient=""))
    assert open_case(CaseSource(study=tmp_path)).case.warnings == ()


def test_images_that_an_anonymiser_gave_one_uid(tmp_path):
    volumes = {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))}
    write_study(tmp_path, volumes)
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        dataset = dcmread(path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = STUDY
        dataset.save_as(path)
    case = open_case(CaseSource(*(tmp_path / name for name in ("dwi", "adc")))).case
    assert all(same(getattr(case, name), volume) for name, volume in volumes.items())


@pytest.mark.parametrize("name", ["gone.zip", "gone"])
def test_a_place_that_is_not_there(tmp_path, name):
    write_study(tmp_path, {"dwi": make_whole()})
    with pytest.raises(InputRefused, match=r"ADC .*was not found"):
        open_case(CaseSource(tmp_path / "dwi", tmp_path / name))


def test_images_of_two_studies_are_warned_about(tmp_path):
    volumes = {name: make_whole(seed) for seed, name in enumerate(MODALITIES)}
    write_study(tmp_path, volumes)
    shutil.rmtree(tmp_path / "flair")
    write_classic(tmp_path / "flair", volumes["flair"], make_tags("flair", 5, study=f"{STUDY[:40]}.7"))
    opened = open_case(CaseSource(*(tmp_path / name for name in MODALITIES)))
    assert any("different studies" in text for text in opened.case.warnings)


def test_images_without_telling_tags_are_taken_as_given_with_a_warning(tmp_path):
    volumes = {name: make_whole(seed) for seed, name in enumerate(MODALITIES)}
    for number, (name, volume) in enumerate(volumes.items()):
        write_classic(tmp_path / name, volume, SeriesTags(number, "other", ("ORIGINAL", "PRIMARY")))
    opened = open_case(CaseSource(*(tmp_path / name for name in MODALITIES)))
    assert all(same(getattr(opened.case, name), volume) for name, volume in volumes.items())
    assert sum("taken as given" in text for text in opened.case.warnings) == 3
    with pytest.raises(InputRefused, match="no diffusion-weighted series"):
        open_case(CaseSource(study=tmp_path))
    chosen = SeriesChoice("0", "1", "2")
    told = open_case(CaseSource(study=tmp_path, series=chosen))
    assert all(same(getattr(told.case, name), volume) for name, volume in volumes.items())
    assert {image.chosen_by for image in told.dicom.images} == {"user"}


@pytest.mark.parametrize(("role", "held"), [("dwi", "adc"), ("adc", "dwi"), ("flair", "adc")])
def test_another_image_than_the_one_asked_for_is_refused(tmp_path, role, held):
    write_study(tmp_path, {name: make_whole(seed) for seed, name in enumerate(MODALITIES)})
    places = {name: tmp_path / (held if name == role else name) for name in MODALITIES}
    with pytest.raises(InputRefused, match=r"no (diffusion-weighted|ADC|FLAIR)"):
        open_case(CaseSource(**places))


def test_dicom_and_image_files_mix(tmp_path, cases):
    adc = cases / "thick-slices" / "adc.nii.gz"
    volume = read_volume(cases / "thick-slices" / "dwi.nii.gz", "DWI")
    write_study(tmp_path, {"dwi": volume})
    opened = open_case(CaseSource(tmp_path / "dwi", adc))
    assert opened.case.dwi.grid.matches(opened.case.adc.grid, 1e-3)
    assert [image.role for image in opened.dicom.images] == ["dwi"]


def test_a_flair_can_be_left_out(tmp_path):
    write_study(tmp_path, {name: make_whole(seed) for seed, name in enumerate(MODALITIES)})
    assert open_case(CaseSource(study=tmp_path), with_flair=False).case.flair is None
    assert open_case(CaseSource(study=tmp_path, series=SeriesChoice(flair="none"))).case.flair is None


def test_a_damaged_file_among_others_is_left_out_and_said(tmp_path):
    write_study(tmp_path, {name: make_whole(seed) for seed, name in enumerate(("dwi", "adc"))})
    (tmp_path / "damaged").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 100)
    opened = open_case(CaseSource(study=tmp_path))
    assert any(text.startswith("1 DICOM file(s) are damaged") for text in opened.case.warnings)


def test_series_can_be_named_for_dicom_only(tmp_path, cases):
    folder = cases / "thick-slices"
    source = CaseSource(folder / "dwi.nii.gz", folder / "adc.nii.gz", series=SeriesChoice(adc="4"))
    with pytest.raises(InputRefused, match="--adc-series"):
        open_case(source)
