"""What SEALS' networks see."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import SimpleITK as sitk
import torch
from volumes import make_volume

from deepisles.case.itk_images import to_volume
from deepisles.members.nnunet_preprocessing import make_network_input, undo_network_input
from deepisles.members.settings import SealsSettings
from deepisles.preparation.isotropic import resample_to_isotropic


def plans(**changes):
    told = {
        "patch_size": (8, 8, 8),
        "spacing_mm": (1.0, 1.0, 1.0),
        "transpose": (0, 1, 2),
        "mask_normalisation": (True, True),
    }
    return SealsSettings(**{**told, **changes})


def test_the_golden_input_is_bit_equal(golden, cases):
    folder = cases / "isles22-0009"
    dwi, adc = (to_volume(sitk.ReadImage(folder / f"{name}.nii.gz")) for name in ("dwi", "adc"))
    images = resample_to_isotropic(dwi, dwi.with_array(adc.array))
    prepared = make_network_input(images.dwi.array, images.adc.array, plans())
    told = json.loads((golden / "expected" / "seals" / "isles22-0009" / "intermediates.json").read_text())
    assert [[part.start, part.stop] for part in prepared.box] == told["crop_bbox_zyx"]
    digest = hashlib.md5(prepared.array.tobytes(), usedforsecurity=False).hexdigest()
    assert digest == told["network_input"]["md5_float32"]


def brain():
    volume = make_volume((12, 14, 16)).array
    volume[:2] = volume[:, :3] = volume[..., -4:] = 0
    return volume


def test_only_the_brain_is_normalised_where_the_plans_say_so():
    dwi = brain()
    dwi[6, 8, 5] = 0  # a hole counts as brain
    prepared = make_network_input(dwi, dwi, plans(mask_normalisation=(True, False)))
    assert prepared.array.shape == (2, 10, 11, 12)
    np.testing.assert_allclose(prepared.array.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    corner = brain()
    corner[2, 3, 0] = 0  # outside the brain, inside the box
    over_mask, over_all = make_network_input(corner, corner, plans(mask_normalisation=(True, False))).array[:, 0, 0, 0]
    assert over_mask == 0
    assert over_all < -1


def test_transposed_plans_are_undone():
    prepared = make_network_input(brain(), brain(), plans(transpose=(2, 0, 1)))
    assert prepared.array.shape == (2, 12, 10, 11)
    back = undo_network_input(torch.from_numpy(prepared.array), prepared, plans(transpose=(2, 0, 1))).numpy()
    np.testing.assert_allclose(back, make_network_input(brain(), brain(), plans()).array, atol=1e-5)


def test_other_spacings_come_back_to_the_crop():
    settings = plans(spacing_mm=(2.0, 1.0, 1.0))
    prepared = make_network_input(brain(), brain(), settings)
    assert prepared.array.shape == (2, 5, 11, 12)
    assert undo_network_input(torch.from_numpy(prepared.array), prepared, settings).shape == (2, 10, 11, 12)
