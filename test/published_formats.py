"""Small random networks, stored as the published weights are but without the code that those were made with."""

from __future__ import annotations

import functools
import io
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.networks.nets import SegResNetDS
from torch import Tensor, nn
from torch.nn import functional

from deepisles.members.networks.specs import ResUNetSpec, SwinFactorizerSpec, UNetSkeletonSpec
from deepisles.weights.build import build_network

Triple = tuple[int, int, int]
TASK = "SEALS/nnUNet_trained_models/nnUNet/3d_fullres/Task012_Anything"
TRAINER = "nnUNetTrainerV2_DDP__nnUNetPlansv2.1"


def random_tensor(*shape: int) -> Tensor:
    return torch.randn(*shape) / max(sum(shape[1:]), 1) ** 0.5


# ---------------------------------------------------------------------------------------------------------- SEALS


def make_v1_state(
    features: Sequence[int], pools: Sequence[Triple], kernels: Sequence[Triple], convolutions: int = 2, prefix: str = ""
) -> OrderedDict[str, Tensor]:
    """Make the state_dict of nnU-Net v1's Generic_UNet with random numbers."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    count = len(pools)

    def add_blocks(path: str, start: int, channels: Sequence[int], kernel: Triple) -> None:
        for index, (inside, outside) in enumerate(pairwise(channels)):
            block = f"{prefix}{path}.blocks.{start + index}"
            state[f"{block}.conv.weight"] = random_tensor(outside, inside, *kernel)
            state[f"{block}.conv.bias"] = torch.randn(outside)
            state[f"{block}.instnorm.weight"] = 1 + 0.3 * torch.randn(outside)
            state[f"{block}.instnorm.bias"] = torch.randn(outside)

    before = 2
    for stage in range(count):
        add_blocks(f"conv_blocks_context.{stage}", 0, [before, *[features[stage]] * convolutions], kernels[stage])
        before = features[stage]
    last = features[count]
    add_blocks(f"conv_blocks_context.{count}.0", 0, [before, *[last] * (convolutions - 1)], kernels[count])
    add_blocks(f"conv_blocks_context.{count}.1", 0, [last, last], kernels[count])
    for up in range(count):
        below, here = features[count - up], features[count - up - 1]
        kernel = kernels[-(up + 1)]
        add_blocks(f"conv_blocks_localization.{up}.0", 0, [2 * here, *[here] * (convolutions - 1)], kernel)
        add_blocks(f"conv_blocks_localization.{up}.1", 0, [here, here], kernel)
    for up in range(count):
        below, here = features[count - up], features[count - up - 1]
        state[f"{prefix}tu.{up}.weight"] = random_tensor(below, here, *pools[-(up + 1)])
    for up in range(count):
        state[f"{prefix}seg_outputs.{up}.weight"] = random_tensor(2, features[count - up - 1], 1, 1, 1)
    return state


def run_v1(state: Mapping[str, Tensor], pools: Sequence[Triple], image: Tensor) -> Tensor:
    """Run nnU-Net v1's network from its state_dict, as Generic_UNet.forward does with deep supervision off."""
    state = {key.removeprefix("module."): tensor for key, tensor in state.items()}

    def run_blocks(features: Tensor, path: str, stride: Triple = (1, 1, 1)) -> Tensor:
        index = 0
        while f"{path}.blocks.{index}.conv.weight" in state:
            block = f"{path}.blocks.{index}"
            weight = state[f"{block}.conv.weight"]
            padding = [1 if n == 3 else 0 for n in weight.shape[2:]]
            features = functional.conv3d(features, weight, state[f"{block}.conv.bias"], stride, padding)
            features = functional.instance_norm(
                features, weight=state[f"{block}.instnorm.weight"], bias=state[f"{block}.instnorm.bias"], eps=1e-5
            )
            features = functional.leaky_relu(features, 0.01)
            stride, index = (1, 1, 1), index + 1
        return features

    skips = []
    features = image
    for stage in range(len(pools)):
        stride = pools[stage - 1] if stage else (1, 1, 1)
        features = run_blocks(features, f"conv_blocks_context.{stage}", stride)
        skips.append(features)
    features = run_blocks(features, f"conv_blocks_context.{len(pools)}.0", pools[-1])
    features = run_blocks(features, f"conv_blocks_context.{len(pools)}.1")
    for up in range(len(pools)):
        weight, bias = state[f"tu.{up}.weight"], state.get(f"tu.{up}.bias")
        features = functional.conv_transpose3d(features, weight, bias, stride=pools[-(up + 1)])
        features = torch.cat((features, skips[-(up + 1)]), dim=1)
        features = run_blocks(features, f"conv_blocks_localization.{up}.0")
        features = run_blocks(features, f"conv_blocks_localization.{up}.1")
    last = len(pools) - 1
    return functional.conv3d(features, state[f"seg_outputs.{last}.weight"], state.get(f"seg_outputs.{last}.bias"))


def make_v1_plans(pools: Sequence[Triple], kernels: Sequence[Triple], **changes: Any) -> dict[str, Any]:
    """Make nnU-Net v1's plans; `changes` replace entries, also those of the stage."""
    stage: dict[str, Any] = {
        "batch_size": 2,
        "num_pool_per_axis": [2, 2, 2],
        "patch_size": np.array([16, 16, 16]),
        "current_spacing": np.array([1.0, 1.0, 1.0]),
        "pool_op_kernel_sizes": [list(pool) for pool in pools],
        "conv_kernel_sizes": [list(kernel) for kernel in kernels],
    }
    plans: dict[str, Any] = {
        "num_modalities": 2,
        "num_classes": 1,
        "normalization_schemes": OrderedDict([(0, "nonCT"), (1, "nonCT")]),
        "use_mask_for_norm": OrderedDict([(0, True), (1, False)]),
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "preprocessor_name": "GenericPreprocessor",
    }
    for name, value in changes.items():
        (stage if name in stage else plans)[name] = value
    return {**plans, "plans_per_stage": {0: stage}}


def dump_v1_fold(state: Mapping[str, Tensor], plans: Mapping[str, Any], protocol: int = 4) -> tuple[bytes, bytes]:
    """Store a fold as `.model` and `.model.pkl`."""
    checkpoint = {
        "epoch": 1000,
        "state_dict": state,
        "optimizer_state_dict": None,
        "lr_scheduler_state_dict": None,
        "plot_stuff": ([np.float64(0.5)], [np.float64(-0.25)], [], []),
        "best_stuff": (np.float64(1.5), np.float64(2.5), 3),
        "amp_grad_scaler": {"scale": 65536.0},
    }
    info = {"init": ("somewhere/plans.pkl", 0, None), "name": "nnUNetTrainerV2", "class": "<class>", "plans": plans}
    return dump_torch(checkpoint, protocol), pickle.dumps(info, protocol)


def dump_torch(value: object, protocol: int = 2) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, pickle_protocol=protocol)
    return stream.getvalue()


# --------------------------------------------------------------------------------------------------------- NVAUTO


def dump_torchscript(network: nn.Module, traced_on: Triple | None = None) -> bytes:
    """Store a network as TorchScript, scripted or traced on a size."""
    network = network.eval()
    if traced_on is None:
        module = torch.jit.script(network)
    else:
        module = torch.jit.trace(network, torch.randn(1, 2, *traced_on), check_trace=False)
    stream = io.BytesIO()
    torch.jit.save(module, stream)
    return stream.getvalue()


def make_segresnet(**changes: Any) -> SegResNetDS:
    arguments: dict[str, Any] = {"init_filters": 4, "in_channels": 2, "out_channels": 2, "blocks_down": (1, 1)}
    network = SegResNetDS(**{**arguments, "dsdepth": 1, "norm": "instance", **changes})
    randomise(network)
    return network


def randomise(network: nn.Module) -> None:
    """Give every parameter and buffer a number of its own, so that none can be mistaken for its initial value."""
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.add_(0.2 * torch.rand_like(tensor))


# ----------------------------------------------------------------------------------------------------------- SWAN


@contextmanager
def factorizer_classes() -> Iterator[types.SimpleNamespace]:
    """Stand-ins for factorizer's classes, that pickles name by reference; gone from the interpreter afterwards."""
    places = {
        "factorizer.unet": ["UNet", "Same", "BasicBlock", "PreActivationBlock"],
        "factorizer.factorizer": ["SegmentationFactorizer", "FactorizerSubblock"],
        "factorizer.factorization.matrix_factorizations": ["NMF", "SVD"],
        "factorizer.factorization.operations": ["SWMatricize"],
        "factorizer.layers.mlp": ["MLP"],
        "factorizer.utils.losses": ["DeepSuprLoss"],
        "pytorch_lightning.callbacks.model_checkpoint": ["ModelCheckpoint"],
        "pytorch_lightning.utilities.parsing": ["AttributeDict"],
    }
    made: dict[str, type] = {}
    parents = {parent for name in places for parent in _list_parents(name)}
    before = {name: sys.modules.get(name) for name in (*places, *parents)}
    for module_name in (*sorted(parents), *places):
        module = types.ModuleType(module_name)
        for name in places.get(module_name, []):
            base = dict if name == "AttributeDict" else object
            made[name] = type(name, (base,), {"__module__": module_name, "__qualname__": name})
            setattr(module, name, made[name])
        sys.modules[module_name] = module
    try:
        yield types.SimpleNamespace(**made)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _list_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def dump_swan(network: object, tensors: Mapping[str, Tensor], protocol: int = 2, **hyper_parameters: Any) -> bytes:
    """Store a Lightning checkpoint; to be called inside `factorizer_classes`."""
    state = OrderedDict((f"net.{name}", tensor) for name, tensor in tensors.items())
    checkpoint = {
        "epoch": np.int64(1999),
        "global_step": 99999,
        "pytorch-lightning_version": "1.6.0",
        "state_dict": state,
        "callbacks": {},
        "hparams_name": "kwargs",
        "hyper_parameters": {"network": network, "metrics": {"labels": {1, 2}}, **hyper_parameters},
    }
    return dump_torch(checkpoint, protocol)


def make_res_unet_arguments(classes: types.SimpleNamespace, **changes: Any) -> dict[str, Any]:
    block = classes.Same()
    block.block = [
        classes.BasicBlock,
        {"conv": [nn.Conv3d, {"kernel_size": 3, "padding": 1}], "norm": [nn.GroupNorm, [2]], "act": nn.LeakyReLU},
    ]
    return {
        "in_channels": 3,
        "out_channels": 1,
        "spatial_dims": 3,
        "encoder_depth": [1, 2],
        "encoder_width": [4, 6],
        "strides": [1, 2],
        "decoder_depth": [1],
        "stem": [nn.Conv3d, {"kernel_size": 3, "padding": 1, "bias": False}],
        "downsample": [nn.Conv3d, {"kernel_size": 2, "bias": False}],
        "upsample": [nn.ConvTranspose3d, {"kernel_size": 2}],
        "head": [nn.Conv3d, {"kernel_size": 1}],
        "num_deep_supr": 2,
        "block": block,
        **changes,
    }


RES_UNET = ResUNetSpec(
    UNetSkeletonSpec(3, 1, 4, (4, 6), ((1, 1, 1), (2, 2, 2)), (1, 2), (1,), heads=2), norm_groups=2, negative_slope=0.01
)
"""What `make_res_unet_arguments` describes."""


def make_factorizer_arguments(classes: types.SimpleNamespace, **changes: Any) -> dict[str, Any]:
    """Make a Swin Factorizer's arguments; `changes` replace its own, its nmf block's or its windows'."""
    windows: dict[str, Any] = {"head_dim": 2, "patch_size": 2, "shifts": [None, 1]}
    nmf: dict[str, Any] = {
        "tensorize": [classes.SWMatricize, windows],
        "act": nn.ReLU,
        "factorize": classes.NMF,
        "rank": 1,
        "num_iters": 3,
        "num_grad_steps": None,
        "init": "uniform",
        "solver": "hals",
        "dropout": 0.1,
    }
    arguments: dict[str, Any] = {
        **{
            key: value
            for key, value in make_res_unet_arguments(classes).items()
            if key not in ("block", "spatial_dims")
        },
        "encoder_depth": [1, 1],
        "encoder_width": [4, 8],
        "spatial_size": [8, 8, 8],
        "pos_embed": True,
        "dropout": 0.2,
        "nmf": [classes.FactorizerSubblock, nmf],
        "mlp": [classes.MLP, {"ratio": 2, "dropout": 0.3}],
    }
    for name, value in changes.items():
        if name in ("head_dim", "num_heads", "patch_size", "grid_size", "shifts"):
            windows[name] = value
        elif name in nmf or name == "compression":
            nmf[name] = value
        else:
            arguments[name] = value
    return arguments


FACTORIZER = SwinFactorizerSpec(
    skeleton=UNetSkeletonSpec(3, 1, 4, (4, 8), ((1, 1, 1), (2, 2, 2)), (1, 1), (1,), heads=2),
    spatial_size=(8, 8, 8),
    pos_embed=True,
    head_dim=2,
    patch_size=(2, 2, 2),
    shifts=(None, (1, 1, 1)),
    rank=1,
    iterations=3,
    mlp_ratio=2.0,
    dropout=0.2,
    nmf_dropout=0.1,
    mlp_dropout=0.3,
)
"""What `make_factorizer_arguments` describes."""


def make_tensors(spec: ResUNetSpec | SwinFactorizerSpec) -> dict[str, Tensor]:
    network = build_network(spec)
    randomise(network)
    return network.state_dict()


# ----------------------------------------------------------------------------------------------------------- tree


def make_published_tree(folder: Path, members: Sequence[str] = ("SEALS", "NVAUTO", "FACTORIZER")) -> Path:
    """Write a whole published tree of small networks; the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        if "SEALS" in members:
            _write_seals(folder / TASK / TRAINER)
        if "NVAUTO" in members:
            (folder / "NVAUTO" / "ts").mkdir(parents=True)
            for number in range(15):
                (folder / "NVAUTO" / "ts" / f"model{number}.ts").write_bytes(dump_torchscript(make_segresnet()))
        if "FACTORIZER" in members:
            _write_swan(folder / "FACTORIZER" / "logs" / "an_experiment")
    return folder


def _write_seals(trainer: Path) -> None:
    pools, kernels = [(2, 2, 2)], [(3, 3, 3)] * 2
    plans = make_v1_plans(pools, kernels)
    for fold in range(5):
        state = make_v1_state((4, 6), pools, kernels, prefix="module.")
        path = trainer / f"fold_{fold}" / "model_final_checkpoint.model"
        path.parent.mkdir(parents=True)
        checkpoint, info = dump_v1_fold(state, plans)
        path.write_bytes(checkpoint)
        path.with_name(f"{path.name}.pkl").write_bytes(info)
    (trainer / "plans.pkl").write_bytes(pickle.dumps(plans))


def _write_swan(experiment: Path) -> None:
    with factorizer_classes() as classes:
        for fold in range(5):
            networks = {
                "resunet": (functools.partial(classes.UNet, **make_res_unet_arguments(classes)), RES_UNET),
                "swin-factorizer": ([classes.SegmentationFactorizer, make_factorizer_arguments(classes)], FACTORIZER),
            }
            for kind, (network, spec) in networks.items():
                path = experiment / f"fold{fold}" / kind / "version_0" / "checkpoints" / "epoch=1-step=2.ckpt"
                path.parent.mkdir(parents=True)
                path.write_bytes(dump_swan(network, make_tensors(spec)))
