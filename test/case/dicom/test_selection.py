"""Which series of a study become DWI, ADC and FLAIR, and when a person has to say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from dicom_files import (
    PATIENT,
    Diffusion,
    SeriesTags,
    write_classic,
    write_dicomdir,
    write_enhanced,
    write_screenshot,
)
from volumes import make_volume

from deepisles.case.dicom.kinds import Kind
from deepisles.case.dicom.reading import scan_folder
from deepisles.case.dicom.selection import list_volumes, pick_adc, pick_dwi, pick_flair, pick_unweighted
from deepisles.case.dicom.stack import group_series
from deepisles.errors import InputRefused

SHAPE = (6, 8, 10)
TRACE = ("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND")
DIFFUSION = ("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE", "ND")
ADC = ("DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND")
AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.fixture
def study(tmp_path):
    """Write series into one folder, in which nothing but their tags tells them apart."""

    def write(number, diffusion=None, *, seed=None, first=1, geometry=None, uid=None, **tags):
        series = SeriesTags(number, **tags)
        series = series if uid is None else replace(series, uid=uid)
        volume = make_volume(SHAPE, seed=number if seed is None else seed, **(geometry or {}))
        write_classic(tmp_path, volume, series, diffusion, first, name=f"f{number}_")
        return series.uid

    write.folder = tmp_path
    return write


def look(study):
    return list_volumes(group_series(scan_folder(study.folder, "input").frames))


def kinds(study):
    return {volume.series.number: volume.finding.kind for volume in look(study)}


def refuse(pick, *arguments):
    with pytest.raises(InputRefused) as refused:
        pick(*arguments)
    message = str(refused.value)
    assert PATIENT.upper() not in message.upper()
    assert message.endswith(".")
    assert "\n" not in message
    return message


def write_siemens(study):
    study(1, description="localizer", image_type=("ORIGINAL", "PRIMARY", "M", "LOCALIZER"))
    series = study(2, Diffusion(0, where="sequence"), image_type=DIFFUSION, description="ep2d_diff")
    for index, axis in enumerate(AXES):
        study(
            2, Diffusion(1000, axis), uid=series, first=10 * (index + 1), image_type=DIFFUSION, description="ep2d_diff"
        )
    series = study(3, Diffusion(0), image_type=TRACE, description="ep2d_diff_TRACEW")
    study(3, Diffusion(1000, is_trace=True), uid=series, first=20, image_type=TRACE, description="ep2d_diff_TRACEW")
    study(4, image_type=ADC, description="ep2d_diff_ADC")
    study(5, image_type=("DERIVED", "PRIMARY", "DIFFUSION", "EADC", "ND"), description="ep2d_diff_eADC")
    study(6, image_type=("DERIVED", "PRIMARY", "DIFFUSION", "FA", "ND"), description="ep2d_diff_FA")
    study(7, description="t2_tirm_tra_dark-fluid", echo_ms=81, inversion_ms=2500)
    study(8, description="t1_tirm_tra FLAIR", echo_ms=13, inversion_ms=860)
    study(9, description="mprage", echo_ms=3, inversion_ms=900)
    study(10, description="swi", image_type=("ORIGINAL", "PRIMARY", "P", "SWI"), echo_ms=20)
    study(11, description="perf", echo_ms=30, sequence="*epfid2d1")
    write_screenshot(study.folder / "shot", SeriesTags(99))
    write_dicomdir(study.folder / "DICOMDIR")
    (study.folder / "notes.txt").write_text("no image")


def test_a_siemens_study(study):
    write_siemens(study)
    volumes = look(study)
    dwi = pick_dwi(volumes, None)
    adc = pick_adc(volumes, None, dwi)
    flair = pick_flair(volumes, None, dwi)
    assert (dwi.series.number, dwi.how, dwi.first.finding.b_value_s_mm2) == (3, "volume", 1000)
    assert (adc.series.number, flair.series.number) == (4, 7)
    told = kinds(study)
    assert {told[number] for number in (1, 5, 6, 8, 9, 10, 99)} == {Kind.OTHER}
    assert told[11] is Kind.UNKNOWN


def test_files_that_are_no_dicom_and_a_dicomdir_are_counted(study):
    write_siemens(study)
    scan = scan_folder(study.folder, "input")
    assert (scan.other_files, scan.unreadable_files) == (2, 0)


def test_a_ge_study(study):
    """GE has all b-values in one series with a bias, b 0 in every image, and maps told by their series' name only."""
    other, derived = ("ORIGINAL", "PRIMARY", "OTHER"), ("DERIVED", "SECONDARY", "COMBINED")
    series = study(3, Diffusion(0), vendor="ge", image_type=other, description="Ax DWI")
    study(3, Diffusion(1000), uid=series, first=20, vendor="ge", image_type=other, description="Ax DWI")
    study(301, Diffusion(1000), vendor="ge", image_type=derived, description="Apparent Diffusion Coefficient (mm2/s)")
    study(
        302, Diffusion(1000), vendor="ge", image_type=derived, description="Exponential Apparent Diffusion Coefficient"
    )
    study(4, Diffusion(0), vendor="ge", image_type=other, description="Ax T2 FLAIR", echo_ms=120, inversion_ms=2300)
    study(5, Diffusion(0), vendor="ge", image_type=other, description="Ax T1", echo_ms=10)
    volumes = look(study)
    dwi = pick_dwi(volumes, None)
    assert (dwi.series.number, dwi.first.finding.b_value_s_mm2) == (3, 1000)
    assert pick_unweighted(volumes, dwi).series.number == 3
    assert pick_adc(volumes, None, dwi).series.number == 301
    assert pick_flair(volumes, None, dwi).series.number == 4
    assert kinds(study)[302] is Kind.OTHER
    assert kinds(study)[5] is Kind.UNKNOWN


def test_a_philips_series_that_holds_directions_trace_and_adc(study):
    """The derived volumes that dcm2niix drops or splits off when it is given the whole series (its issue 405)."""
    words = ("ORIGINAL", "PRIMARY", "DIFFUSION MAP", "NONE")
    volumes = [(make_volume(SHAPE, seed=0), Diffusion(0))]
    volumes += [(make_volume(SHAPE, seed=index + 1), Diffusion(1000, axis)) for index, axis in enumerate(AXES)]
    volumes += [(make_volume(SHAPE, seed=5), Diffusion(1000, is_trace=True)), (make_volume(SHAPE, seed=6), None)]
    adc_words = ("DERIVED", "PRIMARY", "DIFFUSION", "ADC")
    write_enhanced(study.folder / "e", volumes, SeriesTags(6, "philips", words), frame_types={5: adc_words})
    volumes = look(study)
    dwi = pick_dwi(volumes, None)
    assert dwi.how == "volume"
    assert dwi.first.stack.first.index == 4
    assert pick_adc(volumes, None, dwi).first.stack.first.index == 5


def test_a_canon_series_stores_b_values_only_where_there_is_a_gradient(study):
    series = study(5, vendor="canon", image_type=("ORIGINAL", "PRIMARY"), description="DWI")
    study(5, Diffusion(1000, where="comment"), uid=series, first=20, vendor="canon", image_type=("ORIGINAL", "PRIMARY"))
    volumes = look(study)
    dwi = pick_dwi(volumes, None)
    assert dwi.first.finding.b_value_s_mm2 == 1000
    assert pick_unweighted(volumes, dwi).stack.first.weighting.b_value_s_mm2 is None


@pytest.mark.parametrize(
    ("b_values", "picked"), [((0, 500, 1000, 2000), 1000), ((0, 800, 1500), 800), ((700, 1400), 700)]
)
def test_the_b_value_nearest_1000_is_taken(study, b_values, picked):
    uid = None
    for index, b_value in enumerate(b_values):
        uid = study(5, Diffusion(b_value, is_trace=True), uid=uid, first=20 * index + 1, image_type=TRACE)
    assert pick_dwi(look(study), None).first.finding.b_value_s_mm2 == picked


def test_b_values_that_the_networks_do_not_know_are_refused(study):
    study(5, Diffusion(300, is_trace=True), image_type=TRACE)
    study(6, Diffusion(3000, is_trace=True), image_type=TRACE)
    assert re.search(r"at b 300, 3000 only.*--dwi-series", refuse(pick_dwi, look(study), None))
    assert pick_dwi(look(study), "6").is_told


@pytest.mark.parametrize("turned", [False, True])
def test_even_directions_make_a_trace(study, turned):
    axes = [(0.6, 0.8, 0.0), (-0.8, 0.6, 0.0), (0.0, 0.0, 1.0)] if turned else AXES
    uid = None
    for index, axis in enumerate(axes):
        uid = study(5, Diffusion(1000, axis), uid=uid, first=20 * index + 1, image_type=DIFFUSION)
    pick = pick_dwi(look(study), None)
    assert (pick.how, len(pick.volumes)) == ("geometric-mean", 3)


@pytest.mark.parametrize("axes", [AXES[:1], AXES[:2], (AXES[0], AXES[0], AXES[1])])
def test_directions_that_see_one_axis_more_than_another_do_not(study, axes):
    uid = None
    for index, axis in enumerate(axes):
        uid = study(5, Diffusion(1000, axis), uid=uid, first=20 * index + 1, image_type=DIFFUSION)
    assert "export the trace" in refuse(pick_dwi, look(study), None)


def test_volumes_at_one_b_value_that_say_no_direction_are_refused(study):
    uid = None
    for index in range(3):
        uid = study(5, Diffusion(1000, where="csa"), uid=uid, first=20 * index + 1, image_type=DIFFUSION)
    assert "without saying which is the trace" in refuse(pick_dwi, look(study), None)


def test_equal_candidates_are_listed_by_number_and_the_user_decides(study):
    for number in (5, 8):
        study(number, Diffusion(1000, is_trace=True), image_type=TRACE, description=f"scan {number}")
        study(number + 1, image_type=ADC)
    study(10, description="flair", inversion_ms=2500)
    study(11, description="flair", inversion_ms=2500)
    volumes = look(study)
    message = refuse(pick_dwi, volumes, None)
    assert "series 5 (trace at b 1000, 6 slices of 10 x 8); series 8 (" in message
    assert "--dwi-series" in message
    dwi = pick_dwi(volumes, "8")
    assert (dwi.series.number, dwi.is_told) == (8, True)
    assert "--adc-series" in refuse(pick_adc, volumes, None, dwi)
    assert "--flair-series none" in refuse(pick_flair, volumes, None, dwi)
    uid = next(volume.series.uid for volume in volumes if volume.series.number == 5)
    assert pick_dwi(volumes, uid).series.number == 5


def test_the_adc_on_the_dwis_grid_comes_first(study):
    study(5, Diffusion(1000, is_trace=True), image_type=TRACE)
    study(6, image_type=ADC, geometry={"origin_mm": (10.0, -20.0, 17.0)})
    study(7, image_type=ADC)
    volumes = look(study)
    assert pick_adc(volumes, None, pick_dwi(volumes, None)).series.number == 7


def test_the_parallel_flair_without_contrast_comes_first(study):
    study(5, Diffusion(1000, is_trace=True), image_type=TRACE)
    study(6, description="flair sag", inversion_ms=2500, geometry={"rotation_deg": (0, 90, 0)})
    study(7, description="flair km", inversion_ms=2500, extra={"ContrastBolusAgent": "Gd"})
    study(8, description="flair", inversion_ms=2500)
    study(9, description="flair", inversion_ms=2500, image_type=("DERIVED", "SECONDARY", "MPR"))
    volumes = look(study)
    assert pick_flair(volumes, None, pick_dwi(volumes, None)).series.number == 8


@pytest.mark.parametrize("wanted", ["77", "1.2.3", PATIENT])
def test_a_series_that_is_not_there(study, wanted):
    study(5, Diffusion(1000, is_trace=True), image_type=TRACE)
    with pytest.raises(InputRefused, match="it holds the series 5"):
        pick_dwi(look(study), wanted)


def test_a_number_that_two_series_have(study):
    study(5, Diffusion(1000, is_trace=True), image_type=TRACE)
    study(5, Diffusion(1000, is_trace=True), image_type=TRACE, first=50)
    assert "Series Instance UID" in refuse(pick_dwi, look(study), "5")


def test_a_study_without_diffusion(study):
    study(5, description="flair", inversion_ms=2500)
    assert "no diffusion-weighted series" in refuse(pick_dwi, look(study), None)
    assert "no ADC" not in refuse(pick_dwi, look(study), None)


def test_a_file_twice_is_one_image(study):
    study(5, Diffusion(1000, is_trace=True), image_type=TRACE)
    for path in list(study.folder.iterdir()):
        (study.folder / f"{path.name}_copy").write_bytes(path.read_bytes())
    assert pick_dwi(look(study), None).first.stack.slices == SHAPE[0]


def test_nothing_to_read_is_said(tmp_path):
    (tmp_path / "text").write_text("no image")
    with pytest.raises(InputRefused, match="The DWI folder holds no DICOM image"):
        scan_folder(tmp_path, "DWI")
    (tmp_path / "damaged").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 100)
    with pytest.raises(InputRefused, match="only damaged DICOM files"):
        scan_folder(tmp_path, "DWI")
