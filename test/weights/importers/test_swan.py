"""SWAN's importer: the checkpoint's own hyper-parameters decide, and what cannot be followed is refused by name."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published_formats import (
    FACTORIZER,
    RES_UNET,
    dump_swan,
    dump_torch,
    factorizer_classes,
    make_factorizer_arguments,
    make_res_unet_arguments,
    make_tensors,
)
from torch import Tensor, nn

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import ResUNetSpec, SwinFactorizerSpec
from deepisles.members.settings import SwanSettings
from deepisles.weights.build import assemble_network, build_network
from deepisles.weights.importers.swan import agree_on_settings, convert_checkpoint

Classes = types.SimpleNamespace
Form = Callable[[type, dict[str, Any]], object]
FORMS: dict[str, Form] = {
    "partial": lambda maker, arguments: functools.partial(maker, **arguments),
    "list": lambda maker, arguments: [maker, arguments],
    "tuple": lambda maker, arguments: (maker, arguments),
    "positional": lambda maker, arguments: [
        maker,
        [arguments["in_channels"], arguments["out_channels"]],
        {name: value for name, value in arguments.items() if name not in ("in_channels", "out_channels")},
    ],
    "partial with positions": lambda maker, arguments: functools.partial(
        maker, 3, **{name: value for name, value in arguments.items() if name != "in_channels"}
    ),
}


@pytest.fixture
def classes() -> Iterator[Classes]:
    with factorizer_classes() as found:
        yield found


def convert_factorizer(classes: Classes, spec: SwinFactorizerSpec, **changes: Any) -> SwinFactorizerSpec:
    network = functools.partial(classes.SegmentationFactorizer, **make_factorizer_arguments(classes, **changes))
    tensors = make_tensors(spec)
    converted = convert_checkpoint(dump_swan(network, tensors), "it")
    check_same_answers(spec, tensors, converted.spec, converted.tensors)
    assert isinstance(converted.spec, SwinFactorizerSpec)
    return converted.spec


def convert_res_unet(classes: Classes, spec: ResUNetSpec, **changes: Any) -> ResUNetSpec:
    tensors = make_tensors(spec)
    data = dump_swan([classes.UNet, make_res_unet_arguments(classes, **changes)], tensors)
    converted = convert_checkpoint(data, "it")
    check_same_answers(spec, tensors, converted.spec, converted.tensors)
    assert isinstance(converted.spec, ResUNetSpec)
    return converted.spec


def check_same_answers(spec: Any, tensors: dict[str, Tensor], found: Any, found_tensors: dict[str, Tensor]) -> None:
    network = build_network(spec)
    network.load_state_dict(tensors)
    # parameters that want gradients let torch.matmul choose another way, equal to rounding only on some processors
    network.requires_grad_(False).eval()
    image = torch.randn(1, 3, 8, 8, 8)
    with torch.no_grad():
        assert torch.equal(network(image), assemble_network(found, found_tensors, "it")(image))


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_network(classes: Classes, form: str, protocol: int) -> None:
    for maker, arguments, spec in (
        (classes.UNet, make_res_unet_arguments(classes), RES_UNET),
        (classes.SegmentationFactorizer, make_factorizer_arguments(classes), FACTORIZER),
    ):
        tensors = make_tensors(spec)
        converted = convert_checkpoint(dump_swan(FORMS[form](maker, arguments), tensors, protocol), "it")
        assert converted.spec == spec
        assert converted.tensors.keys() == tensors.keys()
        assert all(torch.equal(tensor, tensors[name]) for name, tensor in converted.tensors.items())


def test_hyper_parameters_of_unknown_classes(classes: Classes) -> None:
    hyper_parameters = classes.AttributeDict(
        network=functools.partial(classes.UNet, **make_res_unet_arguments(classes)), loss=classes.DeepSuprLoss()
    )
    state = {f"net.{name}": tensor for name, tensor in make_tensors(RES_UNET).items()}
    checkpoint = {
        "state_dict": {**state, "loss.weight": torch.ones(1)},
        "callbacks": {classes.ModelCheckpoint: {"best": torch.ones(1)}},
        "hyper_parameters": hyper_parameters,
    }
    assert convert_checkpoint(dump_torch(checkpoint), "it").spec == RES_UNET


def test_numbers_of_any_type(classes: Classes) -> None:
    changes: dict[str, Any] = {
        "encoder_width": (np.int64(4), np.int32(8)),
        "encoder_depth": np.array([1, 1]),
        "strides": [(1, 1, 1), np.array([2, 2, 2])],
        "stem_width": np.int64(4),
        "spatial_size": np.int64(8),
        "head_dim": np.int64(2),
        "patch_size": (2, np.int64(2), 2),
        "shifts": [None, [1, 1, np.int64(1)]],
        "rank": np.int64(1),
        "num_iters": 3.0,
        "dropout": np.float64(0.2),
        "mlp": [classes.MLP, {"ratio": np.float32(2), "dropout": (0.3, 0.3)}],
    }
    network = [classes.SegmentationFactorizer, make_factorizer_arguments(classes, **changes)]
    assert convert_checkpoint(dump_swan(network, make_tensors(FACTORIZER)), "it").spec == replace(
        FACTORIZER, nmf_dropout=0.2
    )


def test_defaults_of_factorizer(classes: Classes) -> None:
    arguments = make_res_unet_arguments(classes, num_deep_supr=1)
    for name in ("spatial_dims", "stem", "upsample", "head", "num_deep_supr"):
        del arguments[name]
    arguments["block"].block = classes.BasicBlock
    skeleton = replace(RES_UNET.skeleton, heads=1, stem_width=8, widths=(8, 16))
    spec = ResUNetSpec(skeleton, norm_groups=8, negative_slope=0.01)
    arguments["encoder_width"] = [8, 16]
    assert convert_checkpoint(dump_swan([classes.UNet, arguments], make_tensors(spec)), "it").spec == spec


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"stem_width": 6}, {"stem_width": 6}),
        ({"strides": [1, (2, 1, 2)]}, {"strides": ((1, 1, 1), (2, 1, 2))}),
        ({"encoder_depth": [3, 1], "decoder_depth": [2]}, {"encoder_depth": (3, 1), "decoder_depth": (2,)}),
        ({"num_deep_supr": 1}, {"heads": 1}),
    ],
)
def test_skeletons(classes: Classes, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    spec = replace(RES_UNET, skeleton=replace(RES_UNET.skeleton, **expected))
    assert convert_res_unet(classes, spec, **changes) == spec


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"act": [nn.LeakyReLU, [0.2]]}, {"negative_slope": 0.2}),
        ({"act": [nn.LeakyReLU, {"negative_slope": 0.3, "inplace": True}]}, {"negative_slope": 0.3}),
        ({"norm": [nn.GroupNorm, [1]]}, {"norm_groups": 1}),
        ({"norm": (nn.GroupNorm, {"num_groups": 2})}, {}),
        ({"drop": [nn.Dropout, {"p": 0.4}]}, {"dropout": 0.4}),
        ({"conv": [nn.Conv3d, {"kernel_size": (3, 3, 3), "padding": "same"}]}, {}),
    ],
)
def test_residual_blocks(classes: Classes, block: dict[str, Any], expected: dict[str, Any]) -> None:
    arguments = make_res_unet_arguments(classes)
    arguments["block"].block[1].update(block)
    spec = replace(RES_UNET, **expected)
    assert convert_res_unet(classes, spec, block=arguments["block"]) == spec


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"head_dim": 4, "rank": 2}, {"head_dim": 4, "rank": 2}),
        ({"shifts": None}, {}),
        ({"shifts": [None]}, {"shifts": (None,)}),
        ({"shifts": [(0, 1, 1), 3]}, {"shifts": ((0, 1, 1), (3, 3, 3))}),
        ({"patch_size": [4, 2, 4], "shifts": [1]}, {"patch_size": (4, 2, 4), "shifts": ((1, 1, 1),)}),
        ({"pos_embed": False}, {"pos_embed": False}),
        ({"num_iters": 1}, {"iterations": 1}),
        ({"rank": None, "head_dim": 4, "patch_size": 4, "shifts": [1]},
         {"rank": 1, "head_dim": 4, "patch_size": (4, 4, 4), "shifts": ((1, 1, 1),)}),
        ({"rank": None, "compression": 1, "head_dim": 4}, {"rank": 3, "head_dim": 4}),
        ({"dropout": 0.0}, {"nmf_dropout": 0.0}),
        ({"num_heads": 2, "head_dim": None}, {"head_dim": (2, 4)}),
        ({"num_heads": 2, "head_dim": None, "rank": None, "compression": 1}, {"head_dim": (2, 4), "rank": (2, 3)}),
        ({"grid_size": 2, "patch_size": None}, {"patch_size": ((4, 4, 4), (2, 2, 2))}),
        ({"grid_size": (4, 2, 1), "patch_size": None}, {"patch_size": ((2, 4, 8), (1, 2, 4))}),
    ],
)  # fmt: skip
def test_factorizers(classes: Classes, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    spec = replace(FACTORIZER, **expected)
    assert convert_factorizer(classes, spec, **changes) == spec


def test_order_and_choice_of_sub_blocks(classes: Classes) -> None:
    arguments = make_factorizer_arguments(classes)
    arguments["nmf"] = arguments.pop("nmf")  # now after mlp
    spec = replace(FACTORIZER, sub_blocks=("mlp", "nmf"))
    data = dump_swan([classes.SegmentationFactorizer, arguments], make_tensors(spec))
    assert convert_checkpoint(data, "it").spec == spec
    del arguments["mlp"]
    spec = replace(FACTORIZER, sub_blocks=("nmf",), mlp_dropout=0.0)
    data = dump_swan([classes.SegmentationFactorizer, arguments], make_tensors(spec))
    assert convert_checkpoint(data, "it").spec == spec


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"in_channels": 2}, "2 images"),
        ({"out_channels": 2}, "2 channels"),
        ({"spatial_dims": 2}, "spatial_dims"),
        ({"strides": [2, 2]}, "widths, depths and strides"),
        ({"decoder_depth": [1, 1]}, "widths, depths and strides"),
        ({"encoder_width": [4, "wide"]}, "encoder_width"),
        ({"stem": nn.Identity}, "stem"),
        ({"stem": [nn.Conv3d, {"kernel_size": 5, "padding": 2, "bias": False}]}, "kernel_size of stem"),
        ({"stem": [nn.Conv3d, {"kernel_size": 3, "padding": 1}]}, "bias of stem"),
        ({"downsample": None}, "downsample"),
        ({"downsample": "on-block"}, "downsample"),
        ({"downsample": [nn.Conv3d, {"kernel_size": 2}]}, "bias of downsample"),
        ({"downsample": [nn.AvgPool3d, {"kernel_size": 2}]}, "downsample"),
        ({"upsample": [nn.Upsample, {"scale_factor": 2}]}, "upsample"),
        ({"upsample": [nn.ConvTranspose3d, {"kernel_size": 2, "dilation": 2}]}, "dilation"),
        ({"head": [nn.Conv3d, {"kernel_size": 1, "padding_mode": "circular"}]}, "padding_mode"),
        ({"block": None}, "block"),
        ({"something_new": 1}, "something_new"),
    ],
)
def test_networks_that_cannot_be_followed(classes: Classes, changes: dict[str, Any], named: str) -> None:
    data = dump_swan([classes.UNet, make_res_unet_arguments(classes, **changes)], make_tensors(RES_UNET))
    with pytest.raises(WeightsError, match=named) as caught:
        convert_checkpoint(data, "it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"norm": [nn.InstanceNorm3d, {"affine": True}]}, "norm of block .* InstanceNorm3d"),
        ({"norm": [nn.GroupNorm, [2], {"eps": 1e-3}]}, "eps"),
        ({"act": nn.GELU}, "act of block .* GELU"),
        ({"drop": [nn.Dropout3d, {"p": 0.1}]}, "drop"),
        ({"mid_channels": 3}, "mid_channels"),
        ({"conv": [nn.Conv3d, {"kernel_size": 3, "padding": 1, "bias": False}]}, "bias of conv"),
        ({"conv": [nn.Conv3d, {"kernel_size": 3, "padding": 1, "groups": 2}]}, "groups"),
        ({"alpha": 1}, "alpha"),
    ],
)
def test_blocks_that_cannot_be_followed(classes: Classes, block: dict[str, Any], named: str) -> None:
    arguments = make_res_unet_arguments(classes)
    arguments["block"].block[1].update(block)
    with pytest.raises(WeightsError, match=named):
        convert_checkpoint(dump_swan([classes.UNet, arguments], make_tensors(RES_UNET)), "it")


def test_another_residual_block(classes: Classes) -> None:
    arguments = make_res_unet_arguments(classes)
    arguments["block"].block[0] = classes.PreActivationBlock
    with pytest.raises(WeightsError, match="PreActivationBlock"):
        convert_checkpoint(dump_swan([classes.UNet, arguments], make_tensors(RES_UNET)), "it")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"act": nn.GELU}, "act of nmf"),
        ({"solver": "mu"}, "solver of nmf .*'mu'"),
        ({"init": "nndsvd"}, "init of nmf .*'nndsvd'"),
        ({"head_dim": 3}, "head_dim"),
        ({"head_dim": None}, "head_dim"),
        ({"patch_size": 3}, "patch_size"),
        ({"patch_size": None}, "patch_size"),
        ({"grid_size": 2, "patch_size": None, "shifts": None}, "patch_size"),
        ({"rank": None, "compression": None}, "compression"),
        ({"rank": 2.5}, "rank"),
        ({"spatial_size": [8, 8]}, "spatial_size"),
        ({"pos_embed": "learnt"}, "pos_embed"),
        ({"adapter": nn.Conv3d}, "adapter"),
        ({"num_iters": None}, "num_iters"),
        ({"attention": [nn.MultiheadAttention, {"num_heads": 2}]}, "attention"),
        ({"mlp": [nn.Linear, {}]}, "mlp"),
    ],
)
def test_factorizers_that_cannot_be_followed(classes: Classes, changes: dict[str, Any], named: str) -> None:
    data = dump_swan(
        [classes.SegmentationFactorizer, make_factorizer_arguments(classes, **changes)], make_tensors(FACTORIZER)
    )
    with pytest.raises(WeightsError, match=named) as caught:
        convert_checkpoint(data, "it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["factorize", "tensorize", "unknown", "hidden", "dropouts"])
def test_sub_blocks_that_cannot_be_followed(classes: Classes, change: str) -> None:
    arguments = make_factorizer_arguments(classes)
    if change == "factorize":
        arguments["nmf"][1]["factorize"] = classes.SVD
    elif change == "tensorize":
        arguments["nmf"][1]["tensorize"][1]["position"] = "b h"
    elif change == "unknown":
        arguments["nmf"][1]["trainable"] = True
    elif change == "hidden":
        arguments["mlp"][1]["hidden_dim"] = 7
    else:
        arguments["mlp"][1]["dropout"] = (0.1, 0.2)
    named = {"factorize": "SVD", "tensorize": "position", "unknown": "trainable", "hidden": "hidden_dim"}
    with pytest.raises(WeightsError, match=named.get(change, "dropout of mlp")):
        convert_checkpoint(dump_swan([classes.SegmentationFactorizer, arguments], make_tensors(FACTORIZER)), "it")


def test_other_networks(classes: Classes) -> None:
    for network in ([classes.DeepSuprLoss, {}], [nn.Conv3d, {}], None, 3, [], ["UNet", {}], classes.DeepSuprLoss()):
        with pytest.raises(WeightsError):
            convert_checkpoint(dump_swan(network, {}), "it")


def test_tensors_that_do_not_fit(classes: Classes) -> None:
    network = [classes.UNet, make_res_unet_arguments(classes)]
    tensors = make_tensors(RES_UNET)
    without = {name: tensor for name, tensor in tensors.items() if name != "stem.weight"}
    for damaged, named in (
        (without, "lack tensor stem.weight"),
        ({**tensors, "stem.weight": torch.ones(4, 2, 3, 3, 3)}, r"stem\.weight of \(4, 2, 3, 3, 3\)"),
        ({**tensors, "extra": torch.ones(1)}, "unexpected tensor extra"),
    ):
        with pytest.raises(WeightsError, match=named):
            convert_checkpoint(dump_swan(network, damaged), "it")


def test_the_window_is_what_the_factorizers_take() -> None:
    assert agree_on_settings([RES_UNET]) == SwanSettings()
    assert agree_on_settings([RES_UNET, FACTORIZER, FACTORIZER]).window == (8, 8, 8)
    with pytest.raises(WeightsError, match="different sizes"):
        agree_on_settings([FACTORIZER, replace(FACTORIZER, spatial_size=(16, 16, 16))])


def test_golden_networks(golden: Path) -> None:
    for fold, head_dim, shifts in ((0, 8, 4), (3, 4, 2)):
        path = next(golden.glob(f"weights/FACTORIZER/**/fold{fold}/swin-factorizer/**/*.ckpt"))
        converted = convert_checkpoint(path.read_bytes(), "it")
        assert isinstance(converted.spec, SwinFactorizerSpec)
        assert converted.spec.head_dim == head_dim
        assert len(converted.spec.shifts) == shifts
