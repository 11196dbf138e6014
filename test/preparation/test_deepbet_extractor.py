"""deepbet, really run: about ten seconds an image."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from volumes import make_volume

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.reading import read_volume
from deepisles.errors import MemberFailed, WeightsError
from deepisles.preparation import deepbet_extractor
from deepisles.preparation.deepbet_extractor import DeepbetExtractor

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extractor():
    return DeepbetExtractor(CPU)


@pytest.fixture(scope="module")
def head(cases):
    return read_volume(cases / "soop-sub3" / "dwi.nii.gz", "DWI")


@pytest.fixture(scope="module")
def brain(extractor, head):
    with pytest.MonkeyPatch.context() as patch:
        # no pickle at run time
        patch.setattr(torch, "load", lambda *_, **__: pytest.fail("a pickle was loaded"))
        return extractor.find_brain(head)


def test_the_brain_has_its_volume_and_holds_the_stroke(brain, head, cases):
    assert brain.dtype == np.bool_
    assert brain.sum() * head.grid.voxel_volume_ml == pytest.approx(1400, rel=0.1)
    stroke = read_volume(cases / "soop-sub3" / "mask.nii.gz", "mask").array > 0
    assert brain[stroke].mean() > 0.999


def test_the_storage_order_does_not_matter(extractor, head, brain):
    axes, flips = (2, 0, 1), (True, False, True)
    turned = to_volume(sitk.Flip(sitk.PermuteAxes(to_image(head), axes), flips, False))
    mask = turned.with_array(extractor.find_brain(turned).astype(np.uint8))
    back = sitk.Resample(to_image(mask), to_image(head), sitk.Transform(), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back) > 0, brain)


def test_where_there_is_no_brain_the_mask_is_empty(extractor):
    nothing = make_volume((6, 8, 10))
    nothing.array[...] = 0
    nothing.array[0, 0, 0] = 1
    assert not extractor.find_brain(nothing).any()


def test_neither_a_window_nor_a_network_is_touched():
    """Importing deepbet brings no GUI; and it is imported only when it is needed."""
    program = """
import sys, torch
from deepisles.ensemble import Ensemble
assert "deepbet" not in sys.modules
from deepisles.preparation.deepbet_extractor import DeepbetExtractor, _load
_load(torch.device("cpu"))
assert "deepbet.bet" in sys.modules
assert not {"tkinter", "customtkinter", "deepbet.ui"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_missing_package_is_a_weights_error(monkeypatch):
    def absent(_name):
        raise PackageNotFoundError

    monkeypatch.setattr(deepbet_extractor, "distribution", absent)
    with pytest.raises(WeightsError, match=r"needs deepbet 1\.0\.2, which is not installed"):
        DeepbetExtractor(CPU).find_brain(make_volume())


def test_other_networks_are_refused(monkeypatch):
    monkeypatch.setitem(deepbet_extractor.SHA256, deepbet_extractor.MODEL, "0" * 64)
    with pytest.raises(WeightsError, match=r"not those of version 1\.0\.2"):
        DeepbetExtractor(CPU).find_brain(make_volume())


def test_a_failing_network_is_one_sentence(monkeypatch, extractor):
    class Broken:
        def run(self, _image):
            raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(extractor, "_extraction", Broken())
    with pytest.raises(MemberFailed, match=r"Brain extraction failed \(RuntimeError: out of memory\)") as told:
        extractor.find_brain(make_volume())
    assert "\n" not in str(told.value)
