"""SEALS: nnU-Net v1 checkpoints (`model_final_checkpoint.model` and its `.pkl`) as PlainConvUNet weights."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import PlainConvUNetSpec
from deepisles.members.settings import SealsSettings
from deepisles.weights.build import assemble_network
from deepisles.weights.importers.conversion import (
    ConvertedNetwork,
    Triple,
    as_float,
    as_int,
    as_ints,
    as_list,
    as_mapping,
    as_triple,
    plain_tensors,
)
from deepisles.weights.unpickling import read_pickle, read_torch_archive

CHANNELS = 2
"""DWI and ADC in; background and lesion out."""
UNSUPPORTED_SCHEMES = ("CT", "CT2", "noNorm")
"""nnU-Net v1 normalises by any other name as MRI: z-score per channel."""
PREPROCESSOR = "GenericPreprocessor"

_BLOCK = re.compile(
    r"conv_blocks_(context|localization)\.(\d+)\.(?:(\d+)\.)?blocks\.(\d+)\.(conv|instnorm)\.(weight|bias)"
)
_HEAD = re.compile(r"(tu|seg_outputs)\.(\d+)\.(weight|bias)")
_HEAD_WEIGHT = re.compile(r"(decoder\.(transpconvs|seg_layers)\.\d+)\.weight")
_HEAD_NAMES = {"tu": "transpconvs", "seg_outputs": "seg_layers"}
_LAYER_NAMES = {"conv": "conv", "instnorm": "norm"}


@dataclass(frozen=True)
class FoldPlans:
    """What a fold's plans say.

    Parameters
    ----------
    settings : SealsSettings
        Patch, spacing, axis order and normalisation.
    strides : tuple of 3-tuples, optional
        Pooling into each stage below the first.
    kernel_sizes : tuple of 3-tuples, optional
        Kernel per encoder stage. Old plans have neither.
    """

    settings: SealsSettings
    strides: tuple[Triple, ...] | None
    kernel_sizes: tuple[Triple, ...] | None


def read_fold_plans(data: bytes, label: str) -> FoldPlans:
    """Read a fold's `model_final_checkpoint.model.pkl`.

    Parameters
    ----------
    data : bytes
        The file.
    label : str
        What to call it in an error.

    Raises
    ------
    WeightsError
        If it is damaged or asks for what SEALS does not do.
    """
    content = as_mapping(read_pickle(data, label), label)
    plans = as_mapping(content.get("plans"), f"The plans in {label}")
    _check_modalities(plans, label)
    stages = as_mapping(plans.get("plans_per_stage"), f"plans_per_stage in {label}")
    if not stages:
        raise WeightsError(f"The plans in {label} have no stage; fetch the weights again.")
    # nnU-Net v1 runs 3d_fullres on the last, finest stage
    stage = as_mapping(stages[max(stages, key=lambda key: as_int(key, f"A stage in {label}"))], f"A stage in {label}")
    preprocessor = plans.get("preprocessor_name", PREPROCESSOR)
    if preprocessor != PREPROCESSOR:
        raise WeightsError(f"{label} was made with the preprocessor {preprocessor!s:.60}, which is not supported.")
    settings = SealsSettings(
        patch_size=as_triple(stage.get("patch_size"), f"patch_size in {label}"),
        spacing_mm=_read_spacing(stage.get("current_spacing"), label),
        transpose=_read_transpose(plans, label),
        mask_normalisation=_read_mask_normalisation(plans, label),
    )
    return FoldPlans(
        settings, _read_triples(stage, "pool_op_kernel_sizes", label), _read_triples(stage, "conv_kernel_sizes", label)
    )


def check_common_plans(data: bytes, label: str) -> None:
    """Check `plans.pkl`, of which the original reads the number of images.

    Raises
    ------
    WeightsError
        If it is damaged or of other images.
    """
    _check_modalities(as_mapping(read_pickle(data, label), label), label)


def agree_on_settings(plans: Iterable[FoldPlans]) -> SealsSettings:
    """Return the settings that all folds share.

    Raises
    ------
    WeightsError
        If they differ.
    """
    settings = {fold.settings for fold in plans}
    if len(settings) != 1:
        raise WeightsError(
            "The folds of SEALS have different plans (patch, spacing, axis order or normalisation); "
            "use folds that were trained together."
        )
    return settings.pop()


def convert_fold(data: bytes, plans: FoldPlans, label: str) -> ConvertedNetwork:
    """Convert a fold's `model_final_checkpoint.model`.

    Parameters
    ----------
    data : bytes
        The file.
    plans : FoldPlans
        That fold's plans.
    label : str
        What to call it in an error.

    Raises
    ------
    WeightsError
        If it is damaged, or its tensors are not those of the network that the plans describe.
    """
    checkpoint = as_mapping(read_torch_archive(data, label), label)
    state = as_mapping(checkpoint.get("state_dict"), f"The state_dict in {label}")
    tensors = plain_tensors(_rename(state, label))
    spec = _describe(tensors, plans, label)
    tensors = _add_biases(tensors)
    assemble_network(spec, tensors, label)
    return ConvertedNetwork(spec, tensors)


def _rename(state: Mapping[object, object], label: str) -> dict[str, Tensor]:
    """Give nnU-Net v1's tensors the names of PlainConvUNet; stages' convolutions are counted through."""
    tensors: dict[str, Tensor] = {}
    positions: defaultdict[tuple[str, int], set[tuple[int, int]]] = defaultdict(set)
    for key, tensor in state.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise WeightsError(f"The state_dict in {label} holds something other than tensors; fetch it again.")
        tensors[key.removeprefix("module.")] = tensor
    blocks = {key: match for key in tensors if (match := _BLOCK.fullmatch(key))}
    for match in blocks.values():
        positions[match[1], int(match[2])].add((int(match[3] or 0), int(match[4])))
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if block := blocks.get(key):
            path, stage = block[1], int(block[2])
            index = sorted(positions[path, stage]).index((int(block[3] or 0), int(block[4])))
            part = f"encoder.stages.{stage}.0" if path == "context" else f"decoder.stages.{stage}"
            renamed[f"{part}.convs.{index}.{_LAYER_NAMES[block[5]]}.{block[6]}"] = tensor
        elif head := _HEAD.fullmatch(key):
            renamed[f"decoder.{_HEAD_NAMES[head[1]]}.{head[2]}.{head[3]}"] = tensor
        else:
            raise WeightsError(f"{label} has a tensor {key:.80}, which nnU-Net v1's U-Net does not; it is unsupported.")
    return renamed


def _describe(tensors: Mapping[str, Tensor], plans: FoldPlans, label: str) -> PlainConvUNetSpec:
    encoder = _list_stages(tensors, "encoder.stages.{}.0.convs.{}.conv.weight", label)
    decoder = _list_stages(tensors, "decoder.stages.{}.convs.{}.conv.weight", label)
    # the deepest comes first in the decoder, last in the encoder
    strides = tuple(
        _spatial(tensors[f"decoder.transpconvs.{stage}.weight"])
        for stage in reversed(range(len(decoder)))
        if f"decoder.transpconvs.{stage}.weight" in tensors
    )
    kernel_sizes = tuple(_spatial(stage[0]) for stage in encoder)
    if len(encoder) != len(decoder) + 1 or len(strides) != len(decoder) or not decoder:
        raise WeightsError(f"The stages in {label} are not those of a U-Net; fetch it again.")
    if plans.strides not in (None, strides) or plans.kernel_sizes not in (None, kernel_sizes):
        raise WeightsError(f"The tensors in {label} do not have the kernels or strides of its plans; fetch it again.")
    if not {n for kernel in kernel_sizes for n in kernel} <= {1, 3}:
        raise WeightsError(f"{label} has kernels that are neither 1 nor 3 wide, which nnU-Net v1 cannot run.")
    head = tensors.get(f"decoder.seg_layers.{len(decoder) - 1}.weight")
    in_channels, out_channels = encoder[0][0].shape[1], head.shape[0] if head is not None else None
    if (in_channels, out_channels) != (CHANNELS, CHANNELS):
        raise WeightsError(
            f"{label} is not a network with {CHANNELS} images in and {CHANNELS} classes out, as SEALS is."
        )
    return PlainConvUNetSpec(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        features=tuple(stage[0].shape[0] for stage in encoder),
        strides=((1, 1, 1), *strides),
        encoder_kernel_sizes=kernel_sizes,
        decoder_kernel_sizes=tuple(_spatial(stage[0]) for stage in decoder),
        encoder_convolutions=tuple(len(stage) for stage in encoder),
        decoder_convolutions=tuple(len(stage) for stage in decoder),
    )


def _list_stages(tensors: Mapping[str, Tensor], pattern: str, label: str) -> list[list[Tensor]]:
    stages: list[list[Tensor]] = []
    while pattern.format(len(stages), 0) in tensors:
        stage: list[Tensor] = []
        while (weight := tensors.get(pattern.format(len(stages), len(stage)))) is not None:
            if weight.ndim != 5:
                raise WeightsError(f"{label} is not a 3-D network, as SEALS is.")
            stage.append(weight)
        stages.append(stage)
    if not stages:
        raise WeightsError(f"{label} lacks the tensors of nnU-Net v1's U-Net; fetch it again.")
    return stages


def _add_biases(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give up-sampling and heads the zero biases that nnU-Net v1 lacks and v2 has."""
    complete = dict(tensors)
    for name, tensor in tensors.items():
        if match := _HEAD_WEIGHT.fullmatch(name):
            channels = tensor.shape[1] if match[2] == "transpconvs" else tensor.shape[0]
            complete.setdefault(f"{match[1]}.bias", torch.zeros(channels))
    return complete


def _spatial(weight: Tensor) -> Triple:
    a, b, c = weight.shape[2:]
    return a, b, c


def _check_modalities(plans: Mapping[object, object], label: str) -> None:
    count = as_int(plans.get("num_modalities"), f"num_modalities in {label}")
    if count != CHANNELS:
        raise WeightsError(f"{label} is for {count} images where SEALS takes DWI and ADC; use SEALS weights.")


def _read_triples(stage: Mapping[object, object], name: str, label: str) -> tuple[Triple, ...] | None:
    if stage.get(name) is None:
        return None
    return tuple(as_triple(item, f"{name} in {label}") for item in as_list(stage[name], f"{name} in {label}"))


def _read_spacing(value: object, label: str) -> tuple[float, float, float]:
    spacing = [as_float(item, f"current_spacing in {label}") for item in as_list(value, f"current_spacing in {label}")]
    if len(spacing) != 3 or not all(np.isfinite(spacing)) or min(spacing) <= 0:
        raise WeightsError(f"current_spacing in {label} is no 3-D spacing; fetch the weights again.")
    return spacing[0], spacing[1], spacing[2]


def _read_transpose(plans: Mapping[object, object], label: str) -> Triple:
    forward = as_ints(plans.get("transpose_forward"), f"transpose_forward in {label}")
    backward = as_ints(plans.get("transpose_backward"), f"transpose_backward in {label}")
    if sorted(forward) != [0, 1, 2] or tuple(np.argsort(forward)) != backward:
        raise WeightsError(f"The axis orders in {label} do not undo each other; fetch the weights again.")
    return forward[0], forward[1], forward[2]


def _read_mask_normalisation(plans: Mapping[object, object], label: str) -> tuple[bool, ...]:
    schemes = as_mapping(plans.get("normalization_schemes"), f"normalization_schemes in {label}")
    flags = as_mapping(plans.get("use_mask_for_norm"), f"use_mask_for_norm in {label}")
    for channel in range(CHANNELS):
        if channel not in schemes or not isinstance(flags.get(channel), bool | np.bool_):
            raise WeightsError(f"{label} does not say how to normalise image {channel}; fetch the weights again.")
        if schemes[channel] in UNSUPPORTED_SCHEMES:
            raise WeightsError(
                f"{label} normalises image {channel} by the scheme {schemes[channel]}, which is for other images than "
                f"MRI and is not supported."
            )
    return tuple(bool(flags[channel]) for channel in range(CHANNELS))
