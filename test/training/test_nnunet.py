"""nnU-Net for real, if only two steps of it: what it trains, SEALS runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from deepisles.case.files import CaseFiles
from deepisles.case.reading import read_case, read_volume
from deepisles.case.volume import Grid
from deepisles.errors import InputRefused, MemberFailed, WeightsError
from deepisles.members.member import ignore_progress
from deepisles.members.mirroring import average_mirrored
from deepisles.members.nnunet_preprocessing import make_network_input
from deepisles.members.seals import Seals, list_starts, sample_native
from deepisles.members.windows import blend_windows, pad_to_window
from deepisles.preparation.isotropic import resample_to_isotropic
from deepisles.preparation.prepared import PreparedCase
from deepisles.reports.images import write_volume
from deepisles.training.layout import find_training_cases, name_case
from deepisles.training.nnunet.child import run_nnunet
from deepisles.training.nnunet.dataset import write_raw_data_set
from deepisles.training.nnunet.folders import CHECKPOINT, NnunetFolders
from deepisles.training.nnunet.orders import TrainOrder
from deepisles.training.nnunet.plans import read_plans
from deepisles.training.nnunet.result import read_fold
from deepisles.training.options import TrainOptions
from deepisles.training.pace import Pace
from deepisles.training.train import train_member
from deepisles.weights.build import list_tensors
from deepisles.weights.bundle import Bundle
from deepisles.weights.members import load_member

CASES = 6
SHAPE, LARGE_SHAPE = (10, 40, 36), (10, 60, 36)
"""The large one takes two of the windows that nnU-Net plans for the others."""
SPACING_MM = (1.0, 1.0, 2.0)
ANGLE = np.deg2rad(2)
OBLIQUE = (np.cos(ANGLE), -np.sin(ANGLE), 0.0, np.sin(ANGLE), np.cos(ANGLE), 0.0, 0.0, 0.0, 1.0)
"""Two degrees about the long axis: a real scan's directions are never the identity."""
PACE = Pace(steps=2, steps_per_epoch=2, seed=7, loaders=0)
CPU = torch.device("cpu")
TOLERANCE, SHARE = 2e-3, 0.999


def write_phantom(folder: Path, number: int, shape: tuple[int, int, int] = SHAPE) -> None:
    """Write an ellipsoid of soft noise with a lesion that is bright on DWI and dark on ADC."""
    rng = np.random.default_rng(number)
    place = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    brain = (place**2).sum(axis=0) < 0.8
    centre = rng.uniform(-0.4, 0.4, size=3)[:, None, None, None]
    lesion = brain & (((place - centre) ** 2).sum(axis=0) < rng.uniform(0.05, 0.12))
    texture = gaussian_filter(rng.normal(size=shape), 1.0)
    dwi = np.where(brain, 200 + 60 * texture + 250 * lesion, 0).astype(np.float32)
    adc = np.where(brain, 800 + 150 * texture - 400 * lesion, 0).astype(np.float32)
    case = name_case(folder, number)
    grid = Grid(shape, SPACING_MM, (-20.0, 15.0, 3.0), tuple(float(cosine) for cosine in OBLIQUE))
    write_volume(case.dwi, dwi, grid)
    write_volume(case.adc, adc, grid)
    write_volume(case.mask, lesion.astype(np.uint8), grid)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    for number in range(CASES):
        write_phantom(folder, number)
    return folder


@pytest.fixture(scope="module")
def options(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainOptions:
    """Train one fold by nnU-Net, as planned for these cases: one epoch of two steps."""
    probe = [sys.executable, "-c", "import nnunetv2.run.run_training"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"nnU-Net's trainer cannot be imported here: {tried.stderr.strip().splitlines()[-1]}")
    folder = tmp_path_factory.mktemp("nnunet")
    asked = TrainOptions(
        "seals", (phantoms,), folder / "mine", pace=PACE, device="cpu", work=folder / "work", scale="published"
    )
    before = dict(os.environ)
    assert train_member(asked) == asked.output
    assert dict(os.environ) == before
    return asked


@pytest.fixture(scope="module")
def folders(options: TrainOptions) -> NnunetFolders:
    return NnunetFolders(options.work_folder / "seals-nnunet")


@pytest.fixture(scope="module")
def plans(folders: NnunetFolders) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the plans.json and dataset.json that nnU-Net left."""
    plans, data_set = (json.loads((folders.model / name).read_text()) for name in ("plans.json", "dataset.json"))
    return plans, data_set


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> PreparedCase:
    """Prepare a case that nnU-Net has not seen, as the ensemble does."""
    folder = tmp_path_factory.mktemp("large")
    write_phantom(folder, 99, LARGE_SHAPE)
    files = name_case(folder, 99)
    case = read_case(CaseFiles(files.dwi, files.adc))
    return PreparedCase(case.dwi, case.adc, resample_to_isotropic(case.dwi, case.adc))


@pytest.fixture(scope="module")
def predictor(folders: NnunetFolders) -> Any:
    """Load nnU-Net's own predictor with the same checkpoint."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    made = nnUNetPredictor(0.5, use_gaussian=True, use_mirroring=True, device=CPU, allow_tqdm=False)
    made.initialize_from_trained_model_folder(str(folders.model), (0,), CHECKPOINT)
    return made


def load_seals(options: TrainOptions) -> Seals:
    member = load_member(Bundle.open(options.output), "seals", CPU)
    assert isinstance(member, Seals)
    return member


def stack(images: PreparedCase) -> np.ndarray:
    return np.stack([images.isotropic.dwi.array, images.isotropic.adc.array]).astype(np.float32)


def paste(probability: Tensor, box: tuple[slice, slice, slice], images: PreparedCase) -> Tensor:
    whole = torch.zeros((2, *images.isotropic.dwi.grid.shape))
    whole[0] = 1
    whole[:, *box] = probability
    return whole


def share_alike(one: Tensor, other: Tensor, images: PreparedCase) -> float:
    """Give the share of the brain's voxels where two lesion probabilities at 1 mm differ by less than the tolerance."""
    shape, spacing = images.grid.shape, images.grid.spacing_mm[::-1]
    first, second = (sample_native(each, shape, spacing)[1].numpy() for each in (one, other))
    return float((np.abs(first - second) < TOLERANCE)[images.dwi.array != 0].mean())


def test_the_bundle_holds_what_nnunet_trained(options: TrainOptions, folders: NnunetFolders) -> None:
    bundle = Bundle.open(options.output)
    bundle.verify()
    (network,) = bundle.load_networks("seals")
    trained = read_fold(folders.model, 0)
    assert bundle.manifest.members.seals is not None
    assert bundle.manifest.members.seals.settings == trained.plans.settings
    assert trained.plans.settings.mask_normalisation == (True, True)
    assert trained.plans.settings.mirror_axes == (0, 1, 2)
    assert trained.plans.spec.features[0] == 32
    for name, tensor in list_tensors(trained.network).items():
        assert torch.equal(network.state_dict()[name], tensor.half().float())
    record = json.loads((options.output / "training" / "seals.json").read_text())
    assert [entry["epoch"] for entry in record["history"]["fold0"]] == [1]
    assert record["best"]["fold0"]["step"] == 2
    assert 0 <= record["best"]["fold0"]["dice"] <= 1
    assert (options.output / "training" / "seals.png").stat().st_size > 5000
    assert "## SEALS" in (options.output / "MODEL_CARD.md").read_text()


def test_nnunet_prepares_images_as_seals_does(options: TrainOptions, predictor: Any, images: PreparedCase) -> None:
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

    prepared = make_network_input(*stack(images), load_seals(options).settings)
    theirs, _, notes = DefaultPreprocessor(verbose=False).run_case_npy(
        stack(images),
        None,
        {"spacing": [1.0, 1.0, 1.0]},
        predictor.plans_manager,
        predictor.configuration_manager,
        predictor.dataset_json,
    )
    assert [[part.start, part.stop] for part in prepared.box] == notes["bbox_used_for_cropping"]
    np.testing.assert_allclose(prepared.array, theirs, atol=1e-5)


def test_seals_answers_as_nnunet_but_for_what_is_averaged(
    options: TrainOptions, predictor: Any, images: PreparedCase
) -> None:
    """nnU-Net's predictor averages logits over windows and mirrors, SEALS softmax, as nnU-Net v1 did.

    So each is compared with the other's windows, mirrors and blending around the one average, and then around the
    other. With two steps of training the two averages are far apart, which would hide any other difference.
    """
    seals = load_seals(options)
    prepared = make_network_input(*stack(images), seals.settings)
    image = torch.from_numpy(prepared.array)
    with torch.inference_mode():
        # SEALS as it is, and nnU-Net's predictor around a network that gives softmax
        answer = seals.segment(images, ignore_progress)
        predictor.network = nn.Sequential(predictor.network.eval(), nn.Softmax(dim=1))
        softmax = paste(predictor.predict_sliding_window_return_logits(image).float(), prepared.box, images)
        predictor.network = predictor.network[0]
        theirs = sample_native(softmax, images.grid.shape, images.grid.spacing_mm[::-1])[1].numpy()
        brain = images.dwi.array != 0
        assert (np.abs(answer.probability - theirs) < TOLERANCE)[brain].mean() > SHARE
        assert answer.probability[brain].std() > 0.02

        # nnU-Net's predictor as it is, from image to probability, and SEALS' windows around logits
        _, probability = predictor.predict_single_npy_array(
            stack(images), {"spacing": [1.0, 1.0, 1.0]}, None, None, save_or_return_probabilities=True
        )
        patch = seals.settings.patch_size
        padding = pad_to_window(image.shape[1:], patch)
        padded = padding.apply(image[None])
        starts = list_starts(tuple(padded.shape[2:]), patch, seals.settings.step)
        assert len(starts) > 1
        weight = compute_gaussian(patch, value_scaling_factor=1, dtype=torch.float32, device=CPU)
        logits = blend_windows(
            lambda window: average_mirrored(seals.networks[0], window, seals.settings.mirror_axes),
            padded,
            patch,
            starts,
            weight,
        )
        ours = paste(padding.remove(logits)[0].softmax(dim=0), prepared.box, images)
    assert share_alike(ours, torch.from_numpy(probability), images) > SHARE


def test_the_data_set_is_what_seals_sees(folders: NnunetFolders, phantoms: Path) -> None:
    case = find_training_cases(phantoms)[2]
    seen = read_case(CaseFiles(case.dwi, case.adc))
    isotropic = resample_to_isotropic(seen.dwi, seen.adc)
    written = [read_volume(folders.images / f"set0-case00002_{n:04d}.nii.gz", "image") for n in (0, 1)]
    assert np.array_equal(written[0].array, isotropic.dwi.array.astype(np.float32))
    assert np.array_equal(written[1].array, isotropic.adc.array)
    label = read_volume(folders.labels / "set0-case00002.nii.gz", "mask")
    mask = read_volume(case.mask, "mask")
    assert label.grid.shape == isotropic.dwi.grid.shape
    assert label.array.sum() * label.grid.voxel_volume_ml == pytest.approx(
        mask.array.sum() * mask.grid.voxel_volume_ml, rel=0.05
    )


def test_a_killed_run_ends_nnunet_and_goes_on(options: TrainOptions, folders: NnunetFolders) -> None:
    """Three epochs are asked for where one is done; the run is killed in the third."""
    command = [sys.executable, "-c", "from deepisles.cli import main; main()", "train", "seals", str(options.data[0])]
    command += ["--output", str(options.output), "--work", str(options.work), "--scale", "published", "--folds", "1"]
    command += ["--steps", "6", "--steps-per-epoch", "2", "--seed", "7", "--loaders", "0", "--device", "cpu"]
    first = read_fold(folders.model, 0).history
    before = Bundle.open(options.output).digest
    told = folders.log.stat().st_size
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while b"Epoch 2" not in folders.log.read_bytes()[told:] and time.monotonic() < deadline:
        time.sleep(0.05)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert started
    assert not alive
    assert Bundle.open(options.output).digest == before
    train_member(replace(options, pace=replace(PACE, steps=6)))
    history = read_fold(folders.model, 0).history
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    assert history[0] == first[0]
    # the first epoch was done once, the second once, the third twice
    begun = folders.log.read_text()
    assert [begun.count(f": Epoch {number}") for number in range(3)] == [1, 1, 2]
    assert Bundle.open(options.output).digest != before


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("configurations", "3d_fullres", "spacing"), [1.0, 1.0, 2.0], "spacing other than 1 mm"),
        (("configurations", "3d_fullres", "normalization_schemes"), ["CTNormalization"] * 2, "normalises its images"),
        (("configurations", "3d_fullres", "preprocessor_name"), "MyPreprocessor", "preprocessor"),
        (
            ("configurations", "3d_fullres", "architecture", "network_class_name"),
            "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
            "ResidualEncoderUNet",
        ),
        (("configurations", "3d_fullres", "architecture", "arch_kwargs", "conv_bias"), False, "conv_bias"),
        (("transpose_backward",), [1, 0, 2], "axis orders"),
        (("configurations", "3d_fullres"), None, "cannot be read"),
    ],
)
def test_plans_that_seals_cannot_follow_are_refused(
    plans: tuple[dict[str, Any], dict[str, Any]], place: tuple[str, ...], value: object, reason: str
) -> None:
    changed = json.loads(json.dumps(plans[0]))
    part = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(WeightsError, match=reason):
        read_plans(changed, plans[1], (0, 1, 2), "these plans")


def test_plans_are_followed_where_kernels_differ(plans: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A decoder stage has the kernel of the encoder stage beside it, as nnU-Net's own network shows."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    from deepisles.members.networks.plain_conv_unet import build_plain_conv_unet

    changed = json.loads(json.dumps(plans[0]))
    architecture = changed["configurations"]["3d_fullres"]["architecture"]
    architecture["arch_kwargs"]["kernel_sizes"][:2] = [[1, 3, 3], [3, 1, 3]]
    changed["transpose_forward"], changed["transpose_backward"] = [1, 2, 0], [2, 0, 1]
    changed["configurations"]["3d_fullres"]["use_mask_for_norm"] = [False, True]
    read = read_plans(changed, plans[1], (2,), "these plans")
    assert read.settings.transpose == (1, 2, 0)
    assert read.settings.mask_normalisation == (False, True)
    assert read.settings.mirror_axes == (2,)
    theirs = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        2,
        2,
        deep_supervision=True,
    )
    ours = build_plain_conv_unet(read.spec)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    noise = torch.randn((1, 2, *read.settings.patch_size), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(noise), theirs(noise)[0])


def test_other_labels_are_refused(plans: tuple[dict[str, Any], dict[str, Any]]) -> None:
    with pytest.raises(WeightsError, match="DWI and ADC"):
        read_plans(plans[0], {**plans[1], "labels": {"background": 0, "lesion": 1, "edema": 2}}, (), "these plans")


def test_few_cases_are_each_a_part(phantoms: Path, tmp_path: Path) -> None:
    cases = find_training_cases(phantoms)[:3]
    folders = NnunetFolders(tmp_path)
    with pytest.raises(InputRefused, match="fewer --folds"):
        write_raw_data_set([cases], 4, folders)
    write_raw_data_set([cases[:1], cases[1:]], 3, folders)
    splits = json.loads((folders.data_set / "splits_final.json").read_text())
    assert sorted(name for split in splits for name in split["val"]) == [
        "set0-case00000",
        "set1-case00000",
        "set1-case00001",
    ]
    assert all(len(split["train"]) == 2 for split in splits)


def test_other_data_in_the_same_folder_are_refused(phantoms: Path, tmp_path: Path) -> None:
    cases = find_training_cases(phantoms)
    for _ in range(2):
        write_raw_data_set([cases[:2]], 1, NnunetFolders(tmp_path))
    with pytest.raises(InputRefused, match="other data"):
        write_raw_data_set([cases[:3]], 1, NnunetFolders(tmp_path))


def test_what_nnunet_cannot_do_is_refused(phantoms: Path, tmp_path: Path) -> None:
    asked = TrainOptions("seals", (phantoms,), tmp_path / "mine", device="cpu", scale="published")
    with pytest.raises(InputRefused, match="leave out --from"):
        train_member(replace(asked, start=tmp_path))
    with pytest.raises(InputRefused, match="only one kind"):
        train_member(replace(asked, kinds=("resunet_fold",)))
    with pytest.raises(InputRefused, match="fewer --folds"):
        train_member(replace(asked, folds=6))
    assert list(tmp_path.iterdir()) == []


def test_nnunets_own_failure_names_its_log(tmp_path: Path) -> None:
    folders = NnunetFolders(tmp_path)
    order = TrainOrder(fold=0, epochs=1, iterations=1, seed=0, learning_rate=None, device="cpu")
    with pytest.raises(MemberFailed, match="training fold 0"):
        run_nnunet(order, folders, 0, CPU)
    assert "Error" in folders.log.read_text()
