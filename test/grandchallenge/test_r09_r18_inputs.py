"""R09 to R18: every form in which a case can lie in /input."""

from __future__ import annotations

import itertools
import shutil
import uuid

import numpy as np
import pytest
import SimpleITK as sitk
from exec_runs import OPTIONS, list_files, read_json, run_process
from grand_challenge_tree import MODALITIES, PATIENT, describe_input, write_bright_tree, write_inputs_json
from threshold_bundle import make_bright_case

from deepisles.case.formats import ACCEPTED_IN_WORDS
from deepisles.container import main
from deepisles.errors import InputRefused
from deepisles.grandchallenge.execute import apply_settings
from deepisles.grandchallenge.inputs import resolve_inputs

SLUGS = [f"{modality}-brain-mri" for modality in MODALITIES]
PARAMETERS = ["dwi-mri-acquisition-parameters", "adc-mri-parameters", "flair-mri-acquisition-parameters"]


def test_r09_input_is_a_link_to_a_read_only_folder(exec_run):
    assert exec_run.input.is_symlink()
    assert exec_run.exit_code == 0
    assert (exec_run.output / "stroke-lesion-volume.json").is_file()


def test_r10_any_name_of_a_metaimage(bright_case, segment):
    (dwi,) = (bright_case / "images" / "dwi-brain-mri").iterdir()
    dwi.rename(dwi.with_name(f"{uuid.uuid4()}.mha"))
    assert read_json(segment(bright_case) / "stroke-lesion-count.json") == 1


@pytest.mark.parametrize("suffix", [".tif", ".tiff"])
def test_r10_tiff_is_refused_with_what_to_give(bright_case, segment, suffix):
    (dwi,) = (bright_case / "images" / "dwi-brain-mri").iterdir()
    dwi.rename(dwi.with_suffix(suffix))
    with pytest.raises(InputRefused, match=f"socket dwi-brain-mri is in a format .*: give a {ACCEPTED_IN_WORDS}"):
        segment(bright_case)


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("count", [0, 2])
def test_r11_each_socket_has_one_image(bright_case, weights, tmp_path, capfd, slug, count):
    (image,) = (bright_case / "images" / slug).iterdir()
    if count == 0:
        image.unlink()
    else:
        shutil.copy(image, image.with_name("other.mha"))
    places = ["--input", str(bright_case), "--output", str(tmp_path / "output"), "--weights", str(weights)]
    assert main(places) != 0
    assert slug in capfd.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("keys", [("socket",), ("interface",), ("socket", "interface")])
@pytest.mark.parametrize("order", list(itertools.permutations(SLUGS)))
def test_r12_inputs_json_in_every_dialect_and_order(bright_case, keys, order):
    elements = [describe_input(slug, keys=keys, something={"more": [1]}) for slug in order]
    write_inputs_json(bright_case, elements)
    found = resolve_inputs(bright_case).files
    assert [path.parent.name for path in (found.dwi, found.adc, found.flair)] == SLUGS


def test_r13_the_set_of_slugs_decides(bright_case):
    write_inputs_json(bright_case, [describe_input(slug) for slug in (*SLUGS, "t1-brain-mri")])
    with pytest.raises(InputRefused) as refused:
        resolve_inputs(bright_case)
    assert all(slug in str(refused.value) for slug in (*SLUGS, "t1-brain-mri"))
    assert "expected" in str(refused.value)
    assert "found" in str(refused.value)


def test_r14_the_stated_path_wins_over_the_slug(bright_case):
    (bright_case / "images" / "dwi-brain-mri").rename(bright_case / "images" / "dwi")
    stated = [describe_input("dwi-brain-mri", "images/dwi"), *map(describe_input, SLUGS[1:])]
    write_inputs_json(bright_case, stated)
    assert resolve_inputs(bright_case).files.dwi.parent.name == "dwi"


def test_r14_without_inputs_json_it_is_isles22s_layout(bright_case, segment):
    (bright_case / "inputs.json").unlink()
    assert resolve_inputs(bright_case).files.flair is not None
    assert read_json(segment(bright_case) / "stroke-lesion-count.json") == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"skull_strip": true}', "on"),
        ('{"skull_strip": false}', "auto"),
        ('{"skull_strip": "false"}', "auto"),
        ('{"another": {"key": 1}}', "auto"),
        (None, "auto"),
    ],
)
def test_r15_settings_are_what_their_file_says(bright_case, content, expected):
    # the value in inputs.json says the opposite
    stated = describe_input("deepisles-settings", "deepisles_settings.json", value={"skull_strip": expected == "auto"})
    write_inputs_json(bright_case, [*([stated] if content else []), *map(describe_input, SLUGS)])
    if content:
        (bright_case / "deepisles_settings.json").write_text(content)
    assert apply_settings(OPTIONS, resolve_inputs(bright_case)).brain_extraction == expected


@pytest.mark.parametrize("content", ['{"skull_strip": "perhaps"}', '{"profile": "reckless"}', "[]"])
def test_r15_settings_that_mean_nothing_are_refused(bright_case, content):
    (bright_case / "deepisles_settings.json").write_text(content)
    stated = describe_input("deepisles-settings", "deepisles_settings.json")
    write_inputs_json(bright_case, [stated, *map(describe_input, SLUGS)])
    with pytest.raises(InputRefused, match=r"deepisles-settings are not understood: .* true or false"):
        resolve_inputs(bright_case)


def test_r16_scanner_parameters_change_nothing(bright_case, segment, tmp_path):
    (bright_case / "inputs.json").unlink()
    outputs = []
    for number, content in enumerate((None, "{}", '{"EchoTime": 0.08, "Manufacturer": "any"}')):
        if content is not None:
            for name in PARAMETERS:
                (bright_case / f"{name}.json").write_text(content)
        output = segment(bright_case, output=tmp_path / str(number))
        outputs.append({name: (output / name).read_bytes() for name in list_files(output)})
    assert outputs[0] == outputs[1] == outputs[2]


@pytest.mark.parametrize("pixel_type", [sitk.sitkFloat64, sitk.sitkInt16, sitk.sitkUInt16])
def test_r17_pixel_types_and_an_axis_that_runs_backwards(bright_case, segment, ensemble, pixel_type):
    """The case is oblique and not isotropic."""
    for modality in MODALITIES:
        (path,) = (bright_case / "images" / f"{modality}-brain-mri").iterdir()
        # whole numbers, which the integers can hold: ADC in 1e-6 mm2/s
        image = sitk.ReadImage(path) * (1000 if modality == "adc" else 1)
        image = sitk.Cast(sitk.Round(sitk.Clamp(image, lowerBound=0)), pixel_type)
        sitk.WriteImage(sitk.Flip(image, (False, True, False)), path, useCompression=True)
    output = segment(bright_case, ensemble)
    assert read_json(output / "stroke-lesion-count.json") == 1
    voxel_ml = 12 / 1000
    truth_ml = make_bright_case()[1].sum() * voxel_ml
    assert read_json(output / "stroke-lesion-volume.json") == pytest.approx(truth_ml, rel=0.3)


def test_r17_flair_on_a_grid_of_its_own_is_registered(weights, tmp_path):
    images = write_bright_tree(tmp_path / "input")[1]
    flair = sitk.ReadImage(images["flair"])
    side = [round(size * spacing / 2.7) for size, spacing in zip(flair.GetSize(), flair.GetSpacing(), strict=True)]
    other = sitk.Resample(
        flair, side, sitk.Transform(), sitk.sitkLinear, flair.GetOrigin(), (2.7, 2.7, 2.7), flair.GetDirection()
    )
    sitk.WriteImage(other, images["flair"], useCompression=True)
    ran = run_process(tmp_path / "input", tmp_path / "output", weights)
    assert (ran.exit_code, ran.stderr) == (0, b"")
    report = read_json(tmp_path / "output" / "stroke-lesion-report.json")
    assert [member["status"] for member in report["members"]] == ["ran", "ran", "ran"]
    assert PATIENT.encode() not in ran.stdout


def test_r18_without_flair(tmp_path, segment, ensemble):
    write_bright_tree(tmp_path / "input", ("dwi", "adc"))
    output = segment(tmp_path / "input", ensemble)
    report = read_json(output / "stroke-lesion-report.json")
    assert report["inputs"]["modalities"] == ["dwi", "adc"]
    assert read_json(output / "stroke-lesion-count.json") == 1
    assert np.isfinite(read_json(output / "stroke-lesion-volume.json"))
