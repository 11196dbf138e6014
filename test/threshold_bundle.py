"""A real bundle of the smallest networks of each architecture, weights set by hand: lesion is where the DWI is bright.

It runs through the whole pipeline (reading, resampling, windows, votes, writing) in a second, and its answer is known
and the same in any orientation.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn
from volumes import make_grid

from deepisles.case.volume import Volume
from deepisles.members.networks.specs import PlainConvUNetSpec, ResUNetSpec, SegResNetDSSpec, UNetSkeletonSpec
from deepisles.weights.build import build_network

WINDOW = (64, 64, 64)
Z_SCORE = 2.0
BLIND_Z_SCORE = 1000.0
SHARPNESS = 8.0

ONE, TWO, THREE = (1, 1, 1), (2, 2, 2), (3, 3, 3)
SPECS = {
    "seals": PlainConvUNetSpec(2, 2, (1, 1), (ONE, TWO), (THREE, THREE), (THREE,), (1, 1), (1,)),
    "nvauto": SegResNetDSSpec(2, 2, 1, (1, 1), (1,), 1, "instance_affine"),
    "swan": ResUNetSpec(UNetSkeletonSpec(3, 1, 1, (1, 1), (ONE, TWO), (1, 1), (1,), 1), 1, 0.01),
}
# every other weight is zero: input channel of the DWI -> the one feature -> the lesion's logit
COPIES = {
    "seals": {
        "encoder.stages.0.0.convs.0.conv.weight": (0, 0, 1, 1, 1),
        "decoder.stages.0.convs.0.conv.weight": (0, 1, 1, 1, 1),
    },
    "nvauto": {"encoder.conv_init.weight": (0, 1, 1, 1, 1)},
    "swan": {"stem.weight": (0, 0, 1, 1, 1), "decoder.blocks.0.blocks.0.shortcut.weight": (0, 0, 0, 0, 0)},
}
HEADS = {"seals": "decoder.seg_layers.0", "nvauto": "up_layers.0.head", "swan": "heads.0"}
SETTINGS = {
    "seals": {
        "patch_size": WINDOW, "spacing_mm": (1.0, 1.0, 1.0), "transpose": (0, 1, 2),
        "mask_normalisation": (True, True), "mirror_axes": (0,),
    },
    "nvauto": {"window": WINDOW},
    "swan": {"window": WINDOW},
}  # fmt: skip


def make_threshold_bundle(
    folder: Path, members: tuple[str, ...] = ("seals", "nvauto", "swan"), blind: tuple[str, ...] = ()
) -> Path:
    """Make the bundle; blind members never see a lesion."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for member in members:
        network = _set_weights(build_network(SPECS[member]), member, BLIND_Z_SCORE if member in blind else Z_SCORE)
        content = save({name: parameter.detach().contiguous() for name, parameter in network.named_parameters()})
        (folder / f"{member}.safetensors").write_bytes(content)
        entry = {
            "file": f"{member}.safetensors",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "architecture": asdict(SPECS[member]),
        }
        entries[member] = {"settings": SETTINGS[member], "networks": [entry]}
    manifest = {
        "format": "deepisles-bundle", "version": 1, "name": "threshold", "source": "made by a test", "members": entries,
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _set_weights(network: nn.Module, member: str, z_score: float) -> nn.Module:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(1.0 if ".norm.weight" in name and member == "seals" else 0.0)
        parameters = dict(network.named_parameters())
        for name, place in COPIES[member].items():
            parameters[name][place] = 1.0
        parameters[f"{HEADS[member]}.weight"][-1, 0] = SHARPNESS
        parameters[f"{HEADS[member]}.bias"][-1] = -SHARPNESS * z_score
    return network.eval()


def make_bright_case(shape=(16, 30, 26), spacing_mm=(2.0, 2.0, 3.0), rotation_deg=(12, -20, 8)):
    """Make DWI, ADC and FLAIR on one oblique grid: an ellipsoid with one lopsided bright lesion, and its truth."""
    grid = make_grid(shape, spacing_mm, (-30.0, -25.0, 12.0), rotation_deg)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    brain = x**2 + y**2 + z**2 < 0.8
    noise = np.random.default_rng(5).normal(size=shape)
    truth = np.zeros(shape, bool)
    truth[8:12, 6:12, 5:8] = truth[8:10, 6:8, 8:14] = True
    images = {
        "dwi": brain * (100 + 8 * noise) + truth * 300,
        "adc": brain * (0.9 + 0.05 * noise) - truth * 0.4,
        "flair": brain * (400 + 20 * noise[::-1]) + truth * 100,
    }
    return {name: Volume(array.astype(np.float32), grid) for name, array in images.items()}, truth


def write_case(folder: Path, images: dict[str, Volume], suffix: str = ".nii.gz") -> dict[str, Path]:
    from deepisles.reports.images import write_volume

    paths = {name: folder / f"{name}{suffix}" for name in images}
    for name, volume in images.items():
        write_volume(paths[name], volume.array, volume.grid)
    return paths
