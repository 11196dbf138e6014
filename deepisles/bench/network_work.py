"""How many floating-point operations networks do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from deepisles.bench.recorder import WindowShape
from deepisles.members.networks.specs import NetworkSpec, TorchScriptSpec
from deepisles.weights.build import outline_network

FLOP_PER_TFLOP = 1e12


@cache
def count_flop(spec: NetworkSpec, window: WindowShape) -> int:
    """Count the operations of a network on one window: convolutions and matrix products, a multiply-add as two.

    Normalisation and activations are not counted. The network is the one that is described, whatever layout it is
    given for a device, and shapes alone go through it.

    Parameters
    ----------
    spec : NetworkSpec
        Which network; not a TorchScript archive.
    window : tuple of int
        (channels, a, b, c).
    """
    network = outline_network(spec).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty(1, *window, device="meta"))
    total: int = counter.get_total_flops()
    return total


def count_tflop(
    networks: Sequence[nn.Module], specs: Sequence[NetworkSpec], windows: Mapping[tuple[int, WindowShape], int]
) -> float | None:
    """Count the operations that networks did, in 10^12.

    Parameters
    ----------
    networks : sequence of torch.nn.Module
        As they ran.
    specs : sequence of NetworkSpec
        The networks that they can be, in any order.
    windows : mapping
        How many windows of which shape each of `networks`, by its number, was given.

    Returns
    -------
    float or None
        None where one of them cannot be told.
    """
    total = 0
    for (number, window), count in windows.items():
        spec = find_spec(networks[number], specs)
        if spec is None:
            return None
        total += count * count_flop(spec, window)
    return total / FLOP_PER_TFLOP


def find_spec(network: nn.Module, specs: Sequence[NetworkSpec]) -> NetworkSpec | None:
    """Find the description with as many parameters as a network has, whatever it was made of for its device."""
    parameters = _count_parameters(network)
    known = [spec for spec in specs if not isinstance(spec, TorchScriptSpec)]
    return next((spec for spec in known if _count_described(spec) == parameters), None)


@cache
def _count_described(spec: NetworkSpec) -> int:
    return _count_parameters(outline_network(spec))


def _count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
