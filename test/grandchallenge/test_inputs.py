"""/input is understood in every form that the platform and the challenges' own scripts give it."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import PurePosixPath

import pytest
from grand_challenge_tree import MODALITIES, PATIENT, describe_input, write_inputs_json, write_socket_images

from deepisles.case.files import CaseFiles
from deepisles.errors import InputRefused
from deepisles.grandchallenge.inputs import is_grand_challenge_tree, resolve_inputs
from deepisles.grandchallenge.sockets import FILE_SUFFIXES, IMAGES, INTERFACES, OUTPUTS

SLUGS = [f"{modality}-brain-mri" for modality in MODALITIES]
PARAMETERS = ["dwi-mri-acquisition-parameters", "adc-mri-parameters", "flair-mri-acquisition-parameters"]


def refuse(folder, fragment):
    with pytest.raises(InputRefused) as refused:
        resolve_inputs(folder)
    message = str(refused.value)
    assert re.search(fragment, message), message
    assert message.endswith(".")
    assert "\n" not in message
    assert PATIENT not in message
    assert PATIENT not in str(refused.value.__cause__)
    assert len(message) < 1000


@pytest.mark.parametrize("keys", [("socket",), ("interface",), ("socket", "interface")])
@pytest.mark.parametrize("order", list(itertools.permutations(SLUGS)))
def test_inputs_json_in_every_dialect_and_order(tmp_path, keys, order):
    images = write_socket_images(tmp_path)
    write_inputs_json(tmp_path, [describe_input(slug, keys=keys) for slug in order])
    assert is_grand_challenge_tree(tmp_path)
    assert resolve_inputs(tmp_path).files == CaseFiles(images["dwi"], images["adc"], images["flair"])


def test_without_flair(tmp_path):
    images = write_socket_images(tmp_path, ("dwi", "adc"))
    expected = CaseFiles(images["dwi"], images["adc"])
    assert resolve_inputs(tmp_path).files == expected
    write_inputs_json(tmp_path, [describe_input(slug) for slug in SLUGS[:2]])
    assert resolve_inputs(tmp_path).files == expected


def test_images_that_inputs_json_does_not_name_are_left_alone(tmp_path):
    write_socket_images(tmp_path)
    write_inputs_json(tmp_path, [describe_input(slug) for slug in SLUGS[:2]])
    assert resolve_inputs(tmp_path).files.flair is None


def test_relative_path_wins_over_slug(tmp_path):
    images = write_socket_images(tmp_path)
    (tmp_path / "images" / "dwi-brain-mri").rename(tmp_path / "images" / "dwi")
    write_inputs_json(tmp_path, [describe_input("dwi-brain-mri", "images/dwi"), *map(describe_input, SLUGS[1:])])
    assert resolve_inputs(tmp_path).files.dwi == tmp_path / "images" / "dwi" / images["dwi"].name


@pytest.mark.parametrize("parameters", [None, "{}", '{"EchoTime": 0.08, "Manufacturer": "any"}', "not even JSON"])
def test_isles22_layout_and_its_parameter_files(tmp_path, parameters):
    images = write_socket_images(tmp_path)
    if parameters is not None:
        for name in PARAMETERS:
            (tmp_path / f"{name}.json").write_text(parameters)
    assert is_grand_challenge_tree(tmp_path)
    assert resolve_inputs(tmp_path).files == CaseFiles(images["dwi"], images["adc"], images["flair"])
    elements = [*map(describe_input, SLUGS), *(describe_input(name, f"{name}.json") for name in PARAMETERS)]
    write_inputs_json(tmp_path, elements)
    assert resolve_inputs(tmp_path).files.dwi == images["dwi"]


def test_the_real_isles22_tree(cases):
    found = resolve_inputs(cases / "thick-slices" / "grand-challenge").files
    assert found.dwi.name == "33f8cf8d-ea3b-45ec-ac0d-6965fcd3093c.mha"
    assert found.flair is not None
    assert found.flair.parent.name == "flair-brain-mri"


def test_input_may_be_a_link_that_changes_between_cases(tmp_path):
    first, second = write_socket_images(tmp_path / "one"), write_socket_images(tmp_path / "two")
    link = tmp_path / "input"
    for folder, images in (("one", first), ("two", second)):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / folder)
        found = resolve_inputs(link).files.dwi
        assert found.name == images["dwi"].name
        assert found.parent == link / "images" / "dwi-brain-mri"


def test_nifti_images_are_taken_too(tmp_path):
    images = write_socket_images(tmp_path)
    renamed = images["dwi"].with_suffix(".nii.gz")
    images["dwi"].rename(renamed)
    assert resolve_inputs(tmp_path).files.dwi == renamed


@pytest.mark.parametrize("slug", ["deepisles-settings", "deepisles_settings"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"skull_strip": true}', True),
        ('{"skull_strip": false}', False),
        ('{"skull_strip": "false"}', False),
        ('{"skull_strip": "true"}', True),
        ('{"skull_strip": "False"}', False),
        ('{"something": ["else"]}', False),
        ("{}", False),
    ],
)
def test_settings_are_read_from_their_file(tmp_path, slug, content, expected):
    write_socket_images(tmp_path)
    (tmp_path / "deepisles_settings.json").write_text(content)
    settings = describe_input(slug, "deepisles_settings.json", value={"skull_strip": not expected})
    write_inputs_json(tmp_path, [settings, *map(describe_input, SLUGS)])
    assert resolve_inputs(tmp_path).settings.skull_strip is expected
    (tmp_path / "inputs.json").unlink()
    assert resolve_inputs(tmp_path).settings.skull_strip is expected


@pytest.mark.parametrize(
    "content", ["", "[]", "true", '{"skull_strip": "perhaps"}', '{"skull_strip": null}', '{"skull_strip": 1}', "{"]
)
def test_settings_that_are_not_understood(tmp_path, content):
    write_socket_images(tmp_path)
    (tmp_path / "deepisles_settings.json").write_text(content)
    refuse(tmp_path, "settings of the socket deepisles-settings are not understood")


@pytest.mark.parametrize("content", ['{"profile": "reckless"}', '{"profile": true}', '{"profile": ["exact"]}'])
def test_profiles_that_do_not_exist(tmp_path, content):
    write_socket_images(tmp_path)
    (tmp_path / "deepisles_settings.json").write_text(content)
    refuse(tmp_path, "profile is exact or balanced or fast")


@pytest.mark.parametrize("profile", ["exact", "balanced", "fast"])
def test_a_profile_that_exists(tmp_path, profile):
    write_socket_images(tmp_path)
    (tmp_path / "deepisles_settings.json").write_text(json.dumps({"profile": profile}))
    assert resolve_inputs(tmp_path).settings.profile == profile


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("with_inputs_json", [False, True])
def test_each_socket_has_exactly_one_image(tmp_path, with_inputs_json, modality, count):
    images = write_socket_images(tmp_path)
    if with_inputs_json:
        write_inputs_json(tmp_path, map_all())
    if count == 0:
        images[modality].unlink()
    else:
        shutil.copy(images[modality], images[modality].with_name("another.mha"))
    refuse(tmp_path, f"socket {modality}-brain-mri has {count} files where exactly one")


def map_all():
    return [describe_input(slug) for slug in SLUGS]


def test_missing_image_folder(tmp_path):
    write_socket_images(tmp_path, ("dwi", "flair"))
    write_inputs_json(tmp_path, map_all())
    refuse(tmp_path, "image folder of the socket adc-brain-mri is missing")


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".png", ".mhd", ".dcm", ""])
def test_other_formats(tmp_path, suffix):
    images = write_socket_images(tmp_path)
    images["adc"].rename(images["adc"].with_suffix(suffix))
    refuse(tmp_path, r"image of the socket adc-brain-mri is in a format that is not accepted: give a \.nii")


@pytest.mark.parametrize(
    "slugs",
    [
        [],
        ["dwi-brain-mri"],
        ["adc-brain-mri", "flair-brain-mri"],
        ["dwi-brain-mri", "flair-brain-mri"],
        [*SLUGS, "t1-brain-mri"],
        ["dwi-brain-mri", "adc-brain-mri", "stroke-metadata"],
        ["color-fundus-image"],
        [f"unknown-{number}" for number in range(500)],
    ],
)
def test_unknown_sets_of_sockets(tmp_path, slugs):
    write_socket_images(tmp_path)
    write_inputs_json(tmp_path, [describe_input(slug) for slug in slugs])
    found = ", ".join(sorted(slugs)[:10]) or "none"
    refuse(
        tmp_path,
        "expected the sockets dwi-brain-mri, adc-brain-mri, flair-brain-mri or dwi-brain-mri, adc-brain-mri; "
        f"found {found}",
    )


def test_unknown_image_folders_without_inputs_json(tmp_path):
    write_socket_images(tmp_path)
    (tmp_path / "images" / "t1-brain-mri").mkdir()
    refuse(tmp_path, "expected the sockets .*; found adc-brain-mri, dwi-brain-mri, flair-brain-mri, t1-brain-mri")


def test_one_socket_twice(tmp_path):
    write_socket_images(tmp_path)
    write_inputs_json(tmp_path, [*map_all(), describe_input("dwi-brain-mri")])
    refuse(tmp_path, "names the socket dwi-brain-mri twice")


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "images/../../elsewhere", "", ".", "..\\elsewhere", "a\0b"])
def test_paths_that_lead_out_of_the_folder(tmp_path, path):
    write_socket_images(tmp_path / "input")
    write_socket_images(tmp_path / "elsewhere")
    elements = map_all()
    for key in ("socket", "interface"):
        elements[0][key]["relative_path"] = path
    write_inputs_json(tmp_path / "input", elements)
    refuse(tmp_path / "input", "path of the socket dwi-brain-mri in inputs.json leads out of the input folder")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"{}",
        b"null",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps([{"socket": {"slug": "dwi-brain-mri"}, "image": {"name": PATIENT}}]).encode(),
        json.dumps([{"socket": {"slug": 3, "relative_path": PATIENT}}]).encode(),
    ],
)
def test_damaged_inputs_json(tmp_path, content):
    write_socket_images(tmp_path)
    (tmp_path / "inputs.json").write_bytes(content)
    assert is_grand_challenge_tree(tmp_path)
    refuse(tmp_path, r"inputs\.json is damaged or not as Grand Challenge writes it")


def test_elements_without_a_socket(tmp_path):
    write_socket_images(tmp_path)
    write_inputs_json(tmp_path, [{"image": {"name": PATIENT}}])
    refuse(tmp_path, "names neither a socket nor an interface")


def test_plain_folders_are_not_taken_for_a_tree(tmp_path):
    assert not is_grand_challenge_tree(tmp_path)
    assert not is_grand_challenge_tree(tmp_path / "nowhere")
    (tmp_path / "dwi.nii.gz").write_text("")
    (tmp_path / "images").mkdir()
    assert not is_grand_challenge_tree(tmp_path)


def test_the_table_keeps_the_platforms_rules():
    sockets = [*IMAGES, *OUTPUTS]
    assert len({socket.slug for socket in sockets}) == len({socket.relative_path for socket in sockets}) == len(sockets)
    for socket in sockets:
        suffix = FILE_SUFFIXES.get(socket.kind)
        assert socket.relative_path.startswith("images/") == (suffix is None)
        assert PurePosixPath(socket.relative_path).suffix == (suffix or "")
    assert all(interface <= set(IMAGES) for interface in INTERFACES)
