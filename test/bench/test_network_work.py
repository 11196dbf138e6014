"""Work of the published sizes against the reference's figures, and which network is which."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from deepisles.bench.network_work import count_flop, count_tflop, find_spec
from deepisles.members.cpu_layout import lay_out_for_cpu
from deepisles.members.networks.specs import TorchScriptSpec
from deepisles.weights.build import build_network, outline_network
from deepisles.weights.bundle import Bundle
from deepisles.weights.published_sizes import NVAUTO_NETWORK, RES_UNET, SEALS_NETWORK, SWIN_FACTORIZER

SHIFTS_OF_A = (None, (1, 1, 1), (2, 2, 2), (3, 3, 3))
SWIN_A = replace(SWIN_FACTORIZER, head_dim=8, mlp_ratio=2.0, shifts=SHIFTS_OF_A)


@pytest.mark.parametrize(
    ("spec", "window", "gmac"),
    [
        (SEALS_NETWORK, (2, 128, 128, 128), 479.1),
        (NVAUTO_NETWORK, (2, 192, 192, 128), 1468.1),
        (RES_UNET, (3, 64, 64, 64), 72.56),
        (SWIN_FACTORIZER, (3, 64, 64, 64), 14.5),
        (SWIN_A, (3, 64, 64, 64), 10.9),
    ],
)
def test_published_sizes_do_as_much_as_the_reference_says(spec, window, gmac):
    assert count_flop(spec, window) == pytest.approx(2e9 * gmac, rel=2e-3)


def test_a_network_is_known_by_its_parameters_whatever_its_layout(tiny_bundle):
    entries = Bundle.open(tiny_bundle).manifest.members.swan.networks
    specs = [TorchScriptSpec(3, 1), *(entry.architecture for entry in entries)]
    # one ResU-Net, and both kinds of Swin Factorizer
    for spec in (specs[1], specs[6], specs[10]):
        assert find_spec(lay_out_for_cpu(build_network(spec).eval()), specs) == spec
    assert find_spec(outline_network(RES_UNET), specs) is None


def test_a_batch_counts_as_its_windows_and_the_unknown_is_not_guessed():
    network = outline_network(RES_UNET)
    windows = Counter({(0, (3, 32, 32, 32)): 4})
    one = count_flop(RES_UNET, (3, 32, 32, 32)) / 1e12
    assert count_tflop([network], [RES_UNET], windows) == pytest.approx(4 * one)
    assert count_tflop([network], [SWIN_FACTORIZER], windows) is None
    assert count_tflop([network], [RES_UNET], Counter()) == 0


def test_counting_leaves_nothing_behind_that_a_real_network_stumbles_over(tiny_bundle):
    bundle = Bundle.open(tiny_bundle)
    spec = bundle.manifest.members.swan.networks[-1].architecture
    count_flop(spec, (3, 64, 64, 64))
    network = lay_out_for_cpu(bundle.load_networks("swan")[-1])
    with torch.inference_mode():
        assert torch.isfinite(network(torch.zeros(1, 3, 64, 64, 64))).all()
