"""What nnU-Net's training leaves behind: plans.json, dataset.json and a checkpoint per fold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from deepisles.errors import WeightsError
from deepisles.members.networks.plain_conv_unet import build_plain_conv_unet
from deepisles.training.nnunet.folders import CHECKPOINT, CONFIGURATION
from deepisles.training.nnunet.plans import Plans, read_plans
from deepisles.weights.importers.conversion import as_float, as_ints, as_list, as_mapping
from deepisles.weights.unpickling import read_torch_archive


@dataclass(frozen=True)
class TrainedFold:
    """One fold's network and how it came about.

    Parameters
    ----------
    plans : Plans
        Settings and description.
    network : nn.Module
        Of that description, on the CPU in eval mode.
    history : list of dict
        An entry per epoch: `epoch` from 1, `loss` and `validation_loss`, and `crop_dice`, nnU-Net's moving average of
        Dice over validation crops.
    """

    plans: Plans
    network: nn.Module
    history: list[dict[str, float]]


def read_fold(model: Path, fold: int) -> TrainedFold:
    """Read a trained fold.

    The checkpoint is a pickle with more in it than tensors; it is read by the unpickler that runs nothing.

    Parameters
    ----------
    model : Path
        nnU-Net's folder of the trained model, which has plans.json.
    fold : int
        Which.

    Raises
    ------
    WeightsError
        If a file is missing or damaged, or the network is none that SEALS can run.
    """
    label = f"fold {fold} of the nnU-Net in {model}"
    try:
        plans = json.loads((model / "plans.json").read_text(encoding="utf-8"))
        data_set = json.loads((model / "dataset.json").read_text(encoding="utf-8"))
        data = (model / f"fold_{fold}" / CHECKPOINT).read_bytes()
    except (OSError, ValueError) as error:
        raise WeightsError(f"{label} is incomplete or cannot be read: train it to its end.") from error
    checkpoint = as_mapping(read_torch_archive(data, label), label)
    arguments = as_mapping(checkpoint.get("init_args"), f"init_args of {label}")
    if arguments.get("configuration") != CONFIGURATION:
        raise WeightsError(f"{label} is not trained in the configuration {CONFIGURATION}, as SEALS is.")
    axes = checkpoint.get("inference_allowed_mirroring_axes")
    mirror_axes = () if axes is None else as_ints(axes, f"inference_allowed_mirroring_axes of {label}")
    read = read_plans(plans, data_set, mirror_axes, label)
    network = _build(read, as_mapping(checkpoint.get("network_weights"), f"network_weights of {label}"), label)
    return TrainedFold(read, network, _read_history(checkpoint.get("logging"), label))


def _build(plans: Plans, state: object, label: str) -> nn.Module:
    tensors = {str(name): tensor for name, tensor in as_mapping(state, label).items() if isinstance(tensor, Tensor)}
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise WeightsError(f"The weights of {label} are no longer numbers: train again with a lower learning rate.")
    network = build_plain_conv_unet(plans.spec)
    try:
        # the encoder is in there twice, as it is in the network; heads of deep supervision are built and not used
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"The weights of {label} are not those of the network in its plans.") from error
    return network.requires_grad_(False).eval()


def _read_history(logging: object, label: str) -> list[dict[str, float]]:
    names = {"loss": "train_losses", "validation_loss": "val_losses", "crop_dice": "ema_fg_dice"}
    noted = as_mapping(logging, f"logging of {label}")
    columns = {
        name: [as_float(value, key) for value in as_list(noted.get(key), f"{key} of {label}")]
        for name, key in names.items()
    }
    rows = zip(*columns.values(), strict=False)
    return [{"epoch": number, **dict(zip(columns, row, strict=True))} for number, row in enumerate(rows, start=1)]
