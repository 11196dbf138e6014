"""R19 to R31: what lies in /output after a case."""

from __future__ import annotations

import itertools
import math

import jsonschema
import numpy as np
import panimg
import pytest
import SimpleITK as sitk
from exec_runs import list_files, read_json
from grand_challenge_tree import MODALITIES
from panimg.image_builders.metaio_mhd_mha import image_builder_mhd
from panimg.image_builders.tiff import image_builder_tiff
from PIL import Image
from scipy import ndimage
from threshold_bundle import make_bright_case

from deepisles.container import run_container
from deepisles.grandchallenge.sockets import OUTPUTS, SEGMENTATION
from deepisles.options import SegmentOptions

GEOMETRY_TOLERANCE = 1e-5
VOLUME_TOLERANCE_ML = 1e-3
MAX_OUTPUT_BYTES = 20 << 20
ALLOWED_BESIDE = {"results.json"}
POSITION_TOLERANCE_MM = 0.01


@pytest.fixture(scope="module")
def output(exec_run):
    return exec_run.output


@pytest.fixture(scope="module")
def mask(output):
    (path,) = (output / SEGMENTATION.relative_path).iterdir()
    return sitk.ReadImage(path)


@pytest.fixture(scope="module")
def dwi(exec_run):
    (path,) = (exec_run.input / "images" / "dwi-brain-mri").iterdir()
    return sitk.ReadImage(path)


def test_r19_one_mask_and_it_is_a_metaimage(output):
    (path,) = (output / "images" / "stroke-lesion-segmentation").iterdir()
    assert path.suffix == ".mha"


def test_r20_the_mask_is_8_bit_one_channel_3d_of_0_and_1(mask):
    assert (mask.GetPixelID(), mask.GetNumberOfComponentsPerPixel(), mask.GetDimension()) == (sitk.sitkUInt8, 1, 3)
    assert set(np.unique(sitk.GetArrayViewFromImage(mask))) == {0, 1}


def test_r21_the_mask_lies_on_the_dwi(mask, dwi):
    assert mask.GetSize() == dwi.GetSize()
    for part in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(mask, part)() == pytest.approx(getattr(dwi, part)(), abs=GEOMETRY_TOLERANCE)


def test_r22_the_platforms_importer_takes_the_mask(output, tmp_path):
    result = panimg.convert(
        input_directory=output / SEGMENTATION.relative_path,
        output_directory=tmp_path,
        builders=[image_builder_mhd, image_builder_tiff],
    )
    (image,) = result.new_images
    assert set(image.segments) <= {0, 1}
    assert result.file_errors == {}


def test_r22_the_platforms_importer_takes_an_empty_mask(bright_case, segment, tmp_path):
    darken(bright_case)
    result = panimg.convert(
        input_directory=segment(bright_case) / SEGMENTATION.relative_path,
        output_directory=tmp_path / "imported",
        builders=[image_builder_mhd, image_builder_tiff],
    )
    assert [set(image.segments) for image in result.new_images] == [{0}]


def find_centre_mm(image):
    index = np.argwhere(sitk.GetArrayViewFromImage(image) > 0).mean(axis=0)[::-1]
    return image.TransformContinuousIndexToPhysicalPoint([float(i) for i in index])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_r23_a_lesion_stays_where_it_is(bright_case, segment, order, flips):
    for modality in MODALITIES:
        (path,) = (bright_case / "images" / f"{modality}-brain-mri").iterdir()
        sitk.WriteImage(sitk.Flip(sitk.PermuteAxes(sitk.ReadImage(path), order), flips), path, useCompression=True)
    (written,) = (segment(bright_case) / SEGMENTATION.relative_path).iterdir()
    images, truth = make_bright_case()
    centre_mm = images["dwi"].grid.to_physical_mm(np.argwhere(truth).mean(axis=0))
    assert find_centre_mm(sitk.ReadImage(written)) == pytest.approx(tuple(centre_mm), abs=POSITION_TOLERANCE_MM)


def test_r24_the_volume_is_that_of_the_written_mask(output, mask):
    volume = read_json(output / "stroke-lesion-volume.json")
    determinant = abs(np.linalg.det(np.reshape(mask.GetDirection(), (3, 3))))
    voxels = sitk.GetArrayViewFromImage(mask).sum()
    assert type(volume) is float
    assert math.isfinite(volume)
    assert volume == pytest.approx(voxels * determinant * np.prod(mask.GetSpacing()) / 1000, abs=VOLUME_TOLERANCE_ML)


def test_r25_the_count_is_that_of_the_written_mask(output, mask):
    count = read_json(output / "stroke-lesion-count.json")
    assert type(count) is int
    assert count == ndimage.label(sitk.GetArrayViewFromImage(mask), np.ones((3, 3, 3)))[1]


def test_r26_json_is_json(output):
    documents = {path.name: read_json(path) for path in output.rglob("*.json")}
    assert len(documents) == 4
    jsonschema.validate(documents["stroke-lesion-volume.json"], {"type": "number"})
    jsonschema.validate(documents["stroke-lesion-count.json"], {"type": "integer"})


def darken(case):
    """Take the lesion from a case's DWI."""
    (path,) = (case / "images" / "dwi-brain-mri").iterdir()
    sitk.WriteImage(sitk.Clamp(sitk.ReadImage(path), upperBound=110.0), path, useCompression=True)


def test_r27_no_lesion_is_an_answer(bright_case, segment):
    darken(bright_case)
    output = segment(bright_case)
    (path,) = (output / SEGMENTATION.relative_path).iterdir()
    assert not sitk.GetArrayViewFromImage(sitk.ReadImage(path)).any()
    assert (output / "stroke-lesion-volume.json").read_text().strip() == "0.0"
    assert (output / "stroke-lesion-count.json").read_text().strip() == "0"
    assert read_json(output / "stroke-lesion-report.json")["lesions"] == []


def test_r28_everything_that_is_declared_and_nothing_else(output):
    files = list_files(output)
    images = [name for name in files if name.startswith("images/")]
    assert [name.rpartition("/")[0] for name in images] == [SEGMENTATION.relative_path]
    declared = {socket.relative_path for socket in OUTPUTS if socket is not SEGMENTATION}
    assert set(files) - set(images) == declared | ALLOWED_BESIDE
    assert sum((output / name).stat().st_size for name in files) < MAX_OUTPUT_BYTES


def test_r29_results_json_is_isles22s(exec_run, output):
    (dwi,) = (exec_run.input / "images" / "dwi-brain-mri").iterdir()
    (mask,) = (output / SEGMENTATION.relative_path).iterdir()
    assert read_json(output / "results.json") == [
        {
            "outputs": [{"type": "Image", "slug": "stroke-lesion-segmentation", "filename": mask.name}],
            "inputs": [{"type": "Image", "slug": "dwi-brain-mri", "filename": dwi.name}],
        }
    ]
    assert mask.name == dwi.name


def test_r30_the_thumbnail_is_a_picture(output):
    (socket,) = (socket for socket in OUTPUTS if socket.kind == "Thumbnail png")
    assert socket.relative_path == "stroke-lesion-segmentation-thumbnail.png"
    with Image.open(output / socket.relative_path) as picture:
        picture.load()
        assert picture.format == "PNG"


def test_r31_the_same_case_twice_gives_the_same_bytes(exec_run, output, ensemble, tmp_path):
    again = tmp_path / "again"
    run_container(exec_run.input, again, SegmentOptions(), load=lambda _options: ensemble)
    assert list_files(again) == list_files(output)
    for name in list_files(output):
        assert (again / name).read_bytes() == (output / name).read_bytes(), name
