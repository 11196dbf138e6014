"""SEALS' importer: any nnU-Net v1 network gives the outputs that nnU-Net v1 gives."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published_formats import Triple, dump_torch, dump_v1_fold, make_v1_plans, make_v1_state, run_v1

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import PlainConvUNetSpec
from deepisles.weights.build import assemble_network
from deepisles.weights.importers.conversion import ConvertedNetwork
from deepisles.weights.importers.seals import agree_on_settings, check_common_plans, convert_fold, read_fold_plans

POOLS: list[Triple] = [(1, 2, 2), (2, 2, 2), (2, 2, 1)]
KERNELS: list[Triple] = [(1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 1)]


def convert(state: dict[str, torch.Tensor], plans: dict[str, Any], protocol: int = 4) -> ConvertedNetwork:
    checkpoint, info = dump_v1_fold(state, plans, protocol)
    return convert_fold(checkpoint, read_fold_plans(info, "plans"), "fold")


def compare(state: dict[str, torch.Tensor], pools: list[Triple], converted: ConvertedNetwork, size: Triple) -> float:
    network = assemble_network(converted.spec, converted.tensors, "fold")
    image = torch.randn(1, 2, *size)
    with torch.no_grad():
        expected, found = run_v1(state, pools, image), network(image)
    assert expected.std() > 0.01
    return float((expected - found).abs().max())


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("convolutions", [2, 3])
def test_uneven_pools_and_kernels(prefix: str, protocol: int, convolutions: int) -> None:
    state = make_v1_state((4, 6, 10, 12), POOLS, KERNELS, convolutions, prefix)
    converted = convert(state, make_v1_plans(POOLS, KERNELS), protocol)
    assert compare(state, POOLS, converted, (8, 16, 16)) < 1e-5
    spec = converted.spec
    assert isinstance(spec, PlainConvUNetSpec)
    assert spec.features == (4, 6, 10, 12)
    assert spec.strides == ((1, 1, 1), *POOLS)
    # nnU-Net v1 gives its decoder the kernel of the stage below
    assert spec.decoder_kernel_sizes == ((3, 3, 1), (3, 3, 3), (3, 3, 3))
    assert spec.encoder_convolutions == (convolutions,) * 4


@settings(max_examples=8)
@given(data=st.data())
def test_any_shape(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    pools = data.draw(st.lists(st.tuples(*[st.sampled_from([1, 2])] * 3), min_size=count, max_size=count))
    kernels = data.draw(st.lists(st.tuples(*[st.sampled_from([1, 3])] * 3), min_size=count + 1, max_size=count + 1))
    features = data.draw(st.lists(st.integers(1, 5), min_size=count + 1, max_size=count + 1))
    state = make_v1_state(features, pools, kernels)
    converted = convert(state, make_v1_plans(pools, kernels))
    network = assemble_network(converted.spec, converted.tensors, "fold")
    image = torch.randn(1, 2, 16, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(network(image), run_v1(state, pools, image), rtol=1e-4, atol=1e-4)


def test_biases_that_a_checkpoint_has_are_kept() -> None:
    pools, kernels = [(2, 2, 2)], [(3, 3, 3)] * 2
    state = make_v1_state((4, 6), pools, kernels)
    state["tu.0.bias"], state["seg_outputs.0.bias"] = torch.randn(4), torch.randn(2)
    assert compare(state, pools, convert(state, make_v1_plans(pools, kernels)), (8, 8, 8)) < 1e-5


def test_half_precision_is_widened() -> None:
    pools, kernels = [(2, 2, 2)], [(3, 3, 3)] * 2
    state = OrderedDict((name, tensor.half()) for name, tensor in make_v1_state((4, 6), pools, kernels).items())
    converted = convert(state, make_v1_plans(pools, kernels))
    assert {tensor.dtype for tensor in converted.tensors.values()} == {torch.float32}


def test_old_plans_without_kernels_and_pools() -> None:
    pools, kernels = [(2, 2, 2)], [(3, 3, 3)] * 2
    plans = make_v1_plans(pools, kernels)
    del plans["plans_per_stage"][0]["pool_op_kernel_sizes"], plans["plans_per_stage"][0]["conv_kernel_sizes"]
    state = make_v1_state((4, 6), pools, kernels)
    assert compare(state, pools, convert(state, plans), (8, 8, 8)) < 1e-5


def read_plans(**changes: Any) -> Any:
    plans = make_v1_plans([(2, 2, 2)], [(3, 3, 3)] * 2, **changes)
    return read_fold_plans(pickle.dumps({"plans": plans}), "plans").settings


def test_settings_are_those_of_the_plans() -> None:
    found = read_plans(
        patch_size=np.array([32, 48, 64]),
        current_spacing=np.array([1.5, 1.0, 0.5]),
        transpose_forward=[1, 2, 0],
        transpose_backward=[2, 0, 1],
        use_mask_for_norm=OrderedDict([(1, np.True_), (0, False)]),
    )
    assert found.patch_size == (32, 48, 64)
    assert found.spacing_mm == (1.5, 1.0, 0.5)
    assert found.transpose == (1, 2, 0)
    assert found.mask_normalisation == (False, True)
    assert found.mirror_axes == (0, 1, 2)
    assert found.step == 0.5


def test_the_finest_stage_counts() -> None:
    plans = make_v1_plans([(2, 2, 2)], [(3, 3, 3)] * 2)
    fine = {**plans["plans_per_stage"][0], "patch_size": np.array([24, 24, 24])}
    plans["plans_per_stage"][1] = fine
    assert read_fold_plans(pickle.dumps({"plans": plans}), "plans").settings.patch_size == (24, 24, 24)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"normalization_schemes": {0: "nonCT", 1: "CT"}}, "CT"),
        ({"normalization_schemes": {0: "noNorm", 1: "nonCT"}}, "noNorm"),
        ({"normalization_schemes": {0: "nonCT"}}, "normalise"),
        ({"use_mask_for_norm": {0: True}}, "normalise"),
        ({"transpose_backward": [0, 2, 1]}, "axis orders"),
        ({"transpose_forward": [0, 1]}, "axis orders"),
        ({"num_modalities": 3}, "3 images"),
        ({"patch_size": np.array([16, 16])}, "patch_size"),
        ({"patch_size": None}, "patch_size"),
        ({"current_spacing": np.array([1.0, 0.0, 1.0])}, "current_spacing"),
        ({"preprocessor_name": "PreprocessorFor2D"}, "PreprocessorFor2D"),
    ],
)
def test_plans_that_cannot_be_followed(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(WeightsError, match=named) as caught:
        read_plans(**changes)
    assert "\n" not in str(caught.value)


def test_folds_must_agree() -> None:
    first, second = (
        read_fold_plans(pickle.dumps({"plans": make_v1_plans([(2, 2, 2)], [(3, 3, 3)] * 2, patch_size=size)}), "plans")
        for size in (np.array([16, 16, 16]), np.array([16, 16, 32]))
    )
    assert agree_on_settings([first, first]) == first.settings
    with pytest.raises(WeightsError, match="different plans"):
        agree_on_settings([first, second])


def damage(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    state = dict(make_v1_state((4, 6), [(2, 2, 2)], [(3, 3, 3)] * 2))
    for name, tensor in changes.items():
        key = name.replace("__", ".")
        if tensor is None:
            del state[key]
        else:
            state[key] = tensor
    return state


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tu__0__weight": None}, "U-Net"),
        ({"seg_outputs__0__weight": None}, "classes"),
        ({"conv_blocks_context__0__blocks__1__instnorm__bias": None}, "norm.bias"),
        ({"conv_blocks_context__0__blocks__1__conv__weight": torch.ones(4, 5, 3, 3, 3)}, "convs.1.conv.weight"),
        ({"conv_blocks_context__0__blocks__0__conv__weight": torch.ones(4, 3, 3, 3, 3)}, "images in"),
        ({"conv_blocks_context__0__blocks__0__conv__weight": torch.ones(4, 2, 5, 5, 5)}, "kernels"),
        ({"conv_blocks_context__0__blocks__0__conv__weight": torch.ones(4, 2, 3, 3)}, "3-D"),
        ({"seg_outputs__0__weight": torch.ones(4, 4, 1, 1, 1)}, "classes"),
        ({"td__0__weight": torch.ones(1)}, "td.0.weight"),
    ],
)
def test_tensors_that_do_not_fit(changes: dict[str, torch.Tensor | None], named: str) -> None:
    with pytest.raises(WeightsError, match=named) as caught:
        convert(damage(**changes), make_v1_plans([(2, 2, 2)], [(3, 3, 3)] * 2))
    assert "\n" not in str(caught.value)


def test_plans_of_another_network() -> None:
    state = make_v1_state((4, 6), [(2, 2, 2)], [(3, 3, 3)] * 2)
    with pytest.raises(WeightsError, match="kernels or strides"):
        convert(state, make_v1_plans([(1, 2, 2)], [(3, 3, 3)] * 2))
    with pytest.raises(WeightsError, match="kernels or strides"):
        convert(state, make_v1_plans([(2, 2, 2)], [(1, 3, 3), (3, 3, 3)]))


@pytest.mark.parametrize("content", [[], {"state_dict": 1}, {"state_dict": {"a": 1}}, {"state_dict": {}}, {}])
def test_other_checkpoints(content: object) -> None:
    info = dump_v1_fold({}, make_v1_plans([(2, 2, 2)], [(3, 3, 3)] * 2))[1]
    with pytest.raises(WeightsError):
        convert_fold(dump_torch(content), read_fold_plans(info, "plans"), "fold")


def test_common_plans() -> None:
    check_common_plans(pickle.dumps({"num_modalities": 2}), "plans.pkl")
    with pytest.raises(WeightsError, match="1 images"):
        check_common_plans(pickle.dumps({"num_modalities": 1}), "plans.pkl")
    with pytest.raises(WeightsError, match="num_modalities"):
        check_common_plans(pickle.dumps({}), "plans.pkl")


def test_golden_folds(golden: Path) -> None:
    for path in sorted(golden.glob("weights/SEALS/**/*.model")):
        plans = read_fold_plans(path.with_name(f"{path.name}.pkl").read_bytes(), "plans")
        data = path.read_bytes()
        converted = convert_fold(data, plans, "fold")
        state = torch.load(io.BytesIO(data), weights_only=False)["state_dict"]
        assert plans.strides is not None
        assert compare(state, list(plans.strides), converted, (16, 24, 16)) < 1e-4
