"""b-values and directions, wherever the vendors put them, as read from files."""

from __future__ import annotations

import pytest
from dicom_files import Diffusion, SeriesTags, make_csa, write_classic, write_enhanced
from pydicom import dcmread
from pydicom.dataset import Dataset
from volumes import make_volume

from deepisles.case.dicom.frame import Weighting
from deepisles.case.dicom.reading import read_frames
from deepisles.case.dicom.weighting import read_weighting

X = (1.0, 0.0, 0.0)


def read(tmp_path, vendor, diffusion, **tags):
    path = write_classic(tmp_path, make_volume(), SeriesTags(vendor=vendor, **tags), diffusion)[0]
    (frame,) = read_frames(path)
    return frame.weighting


@pytest.mark.parametrize(
    ("vendor", "where"),
    [
        ("siemens", "private"), ("ge", "private"), ("philips", "private"), ("siemens", "csa"), ("canon", "comment"),
        ("siemens", "standard"), ("ge", "standard"), ("philips", "standard"), ("canon", "standard"),
        ("other", "standard"),
    ],
)  # fmt: skip
def test_a_direction_is_read_from_every_vendor(tmp_path, vendor, where):
    said = read(tmp_path, vendor, Diffusion(1000, (0.6, 0.8, 0.0), where=where))
    assert said.b_value_s_mm2 == 1000
    assert said.directionality == "directional"
    assert said.direction == pytest.approx((0.6, 0.8, 0.0), abs=1e-6)


@pytest.mark.parametrize(
    ("vendor", "where"),
    [("siemens", "private"), ("ge", "private"), ("philips", "private"), ("siemens", "sequence"), ("other", "standard")],
)
def test_a_trace_is_told_from_a_direction(tmp_path, vendor, where):
    said = read(tmp_path, vendor, Diffusion(1000, is_trace=True, where=where))
    assert (said.b_value_s_mm2, said.directionality, said.direction) == (1000, "isotropic", None)


@pytest.mark.parametrize("vendor", ["siemens", "ge", "philips"])
def test_b_0_has_no_direction(tmp_path, vendor):
    said = read(tmp_path, vendor, Diffusion(0))
    assert (said.b_value_s_mm2, said.directionality, said.direction) == (0, None, None)


def test_the_standards_tag_comes_before_private_ones(tmp_path):
    said = read(tmp_path, "siemens", Diffusion(800), extra={"DiffusionBValue": 1000.0})
    assert said.b_value_s_mm2 == 1000
    assert "0018,9087" in said.source


@pytest.mark.parametrize("number", ["1000", "1000001000", "999"])
def test_ge_with_and_without_its_bias(number):
    dataset = Dataset()
    dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x39, "IS", [number, "0", "0", "0"])
    assert read_weighting([dataset], "ge").b_value_s_mm2 == (999 if number == "999" else 1000)


def test_private_elements_of_another_maker_are_not_taken(tmp_path):
    dataset = Dataset()
    dataset.private_block(0x0019, "SOMEBODY ELSE", create=True).add_new(0x0C, "IS", "1000")
    assert read_weighting([dataset], "siemens").b_value_s_mm2 is None


def test_private_blocks_lie_anywhere(tmp_path):
    dataset = Dataset()
    dataset.private_block(0x0019, "SOMEBODY ELSE", create=True).add_new(0x0C, "IS", "17")
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "1000")
    assert (0x0019, 0x110C) in dataset
    assert read_weighting([dataset], "siemens").b_value_s_mm2 == 1000


def test_types_that_a_transfer_lost_are_found_again(tmp_path):
    dataset = Dataset()
    block = dataset.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x03, "UN", b"\x00\x00\x7a\x44")
    block.add_new(0x04, "UN", b"I ")
    said = read_weighting([dataset], "philips")
    assert (said.b_value_s_mm2, said.directionality) == (1000, "isotropic")


@pytest.mark.parametrize(
    "value",
    [b"", b"SV10", b"\xff" * 200, make_csa({"B_value": ("IS", ["many"])}), make_csa({"B_value": ("IS", ["-5"])})],
)
def test_damaged_csa_headers_say_nothing(value):
    dataset = Dataset()
    dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", value)
    assert read_weighting([dataset], "siemens") == Weighting()


@pytest.mark.parametrize("value", [b"\xff\xff\xff\xff", "", None, [], -4.0])
def test_nonsense_is_no_b_value(value):
    dataset = Dataset()
    dataset.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x03, "UN", value)
    assert read_weighting([dataset], "philips").b_value_s_mm2 is None


def test_enhanced_frames_have_their_own(tmp_path):
    volumes = [(make_volume(seed=0), Diffusion(0)), (make_volume(seed=1), Diffusion(1000, X))]
    frames = read_frames(write_enhanced(tmp_path / "e", volumes, SeriesTags(vendor="philips")))
    assert [frame.weighting.b_value_s_mm2 for frame in frames] == [0, 1000] * 6
    assert frames[1].weighting.direction == X


def test_philips_private_item_of_a_frame_is_looked_into(tmp_path):
    path = write_enhanced(tmp_path / "e", [(make_volume(), None)], SeriesTags(vendor="philips"))
    dataset = dcmread(path)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        item = Dataset()
        item.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x03, "FL", 1000.0)
        group.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "SQ", [item])
    dataset.save_as(path)
    assert {frame.weighting.b_value_s_mm2 for frame in read_frames(path)} == {1000}
