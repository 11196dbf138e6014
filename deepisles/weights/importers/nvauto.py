"""NVAUTO: TorchScript archives of MONAI's SegResNetDS, rebuilt where a probe proves it, else kept."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import SegResNetDSSpec, TorchScriptSpec
from deepisles.members.settings import NvautoSettings
from deepisles.weights.build import assemble_network
from deepisles.weights.importers.conversion import ConvertedNetwork, plain_tensors
from deepisles.weights.torchscript import SCRIPT_ERRORS, open_torchscript

CHANNELS = 2
"""ADC and DWI in; background and lesion out."""
RELATIVE_TOLERANCE = 1e-5
"""Largest difference between archive and rebuilt network, over the archive's largest output."""
PROBE_SIZE = (16, 16, 24)
PROBE_SEED = 20220922
PROBE_SCALE = 4.0
"""Wider than normalised images as a rule are, so that a network which clips them would show."""

_LOGGER = logging.getLogger(__name__)


def convert_model(data: bytes, label: str) -> ConvertedNetwork:
    """Convert a TorchScript file.

    Parameters
    ----------
    data : bytes
        The file.
    label : str
        What to call it in an error.

    Raises
    ------
    WeightsError
        If it is damaged, or no network that maps two images to two classes.
    """
    archive = open_torchscript(data, label)
    # copied before the probe: a trace made in training mode changes its buffers when it runs
    tensors = plain_tensors(archive.state_dict())
    spec = infer_spec(tensors)
    probe, expected = _probe(archive, spec, label)
    if spec is not None and _answers_alike(spec, tensors, probe, expected, label):
        _LOGGER.info("%s: rebuilt from its parts, a probe gives the same output", label)
        return ConvertedNetwork(spec, tensors)
    _LOGGER.info("%s: not a network that can be rebuilt; its TorchScript archive is kept", label)
    return ConvertedNetwork(TorchScriptSpec(CHANNELS, CHANNELS), archive=data)


def infer_spec(tensors: Mapping[str, Tensor]) -> SegResNetDSSpec | None:
    """Tell a SegResNetDS from the names and shapes of its tensors; None if they are not those of one."""
    stem = tensors.get("encoder.conv_init.weight")
    if stem is None or stem.ndim != 5:
        return None
    levels = 1 + len(_indices(tensors, r"encoder\.layers\.(\d+)\.downsample\.weight"))
    heads = _indices(tensors, r"up_layers\.(\d+)\.head\.weight")
    if not heads:
        return None
    return SegResNetDSSpec(
        in_channels=stem.shape[1],
        out_channels=tensors[f"up_layers.{max(heads)}.head.weight"].shape[0],
        init_filters=stem.shape[0],
        blocks_down=tuple(_count_blocks(tensors, "encoder.layers", level) for level in range(levels)),
        blocks_up=tuple(_count_blocks(tensors, "up_layers", level) for level in range(levels - 1)),
        dsdepth=len(heads),
        norm=_tell_norm(tensors),
        upsample_mode="nontrainable" if _indices(tensors, r"up_layers\.(\d+)\.upsample\.preconv\.weight") else "deconv",
    )


def _tell_norm(tensors: Mapping[str, Tensor]) -> Literal["batch", "instance", "instance_affine"]:
    if any(name.endswith(".norm1.running_mean") for name in tensors):
        return "batch"
    return "instance_affine" if any(name.endswith(".norm1.weight") for name in tensors) else "instance"


def _indices(tensors: Mapping[str, Tensor], pattern: str) -> set[int]:
    return {int(match[1]) for name in tensors if (match := re.fullmatch(pattern, name))}


def _count_blocks(tensors: Mapping[str, Tensor], part: str, level: int) -> int:
    return len(_indices(tensors, rf"{re.escape(part)}\.{level}\.blocks\.(\d+)\..+"))


def _probe(archive: nn.Module, spec: SegResNetDSSpec | None, label: str) -> tuple[Tensor, Tensor]:
    """Run the archive on noise of the first size that it takes; give the noise and the answer."""
    stride = 2 ** (len(spec.blocks_down) - 1) if spec else 1
    # the last is the window that it will be run on, which costs most
    sizes = [PROBE_SIZE, (2 * stride, 2 * stride, 3 * stride), NvautoSettings().window]
    for size in sizes:
        noise = PROBE_SCALE * torch.randn((1, CHANNELS, *size), generator=torch.Generator().manual_seed(PROBE_SEED))
        try:
            answer = _run(archive, noise)
        except SCRIPT_ERRORS as error:
            _LOGGER.debug("%s does not take %s: %s", label, size, error)
            continue
        if not isinstance(answer, Tensor) or answer.shape != noise.shape or not answer.isfinite().all():
            raise WeightsError(f"{label} does not give {CHANNELS} classes for every voxel; it is no NVAUTO network.")
        return noise, answer
    raise WeightsError(f"{label} does not run on {CHANNELS} images as NVAUTO's networks do; fetch it again.")


def _answers_alike(
    spec: SegResNetDSSpec, tensors: Mapping[str, Tensor], probe: Tensor, expected: Tensor, label: str
) -> bool:
    try:
        answer = _run(assemble_network(spec, tensors, label), probe)
    except (WeightsError, RuntimeError, ValueError) as error:
        _LOGGER.debug("%s: %s", label, error)
        return False
    if not isinstance(answer, Tensor) or answer.shape != expected.shape:
        return False
    return bool((answer - expected).abs().max() <= RELATIVE_TOLERANCE * expected.abs().max())


def _run(network: nn.Module, image: Tensor) -> object:
    with torch.no_grad():
        return network(image)
