"""From a description and tensors to a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from deepisles.errors import WeightsError
from deepisles.members.networks.plain_conv_unet import build_plain_conv_unet
from deepisles.members.networks.res_unet import build_res_unet
from deepisles.members.networks.segresnet_ds import build_segresnet_ds
from deepisles.members.networks.specs import (
    NetworkSpec,
    PlainConvUNetSpec,
    ResUNetSpec,
    SegResNetDSSpec,
    SwinFactorizerSpec,
    TorchScriptSpec,
)
from deepisles.members.networks.swin_factorizer import build_swin_factorizer


def build_network(spec: NetworkSpec) -> nn.Module:
    """Build the network that a description describes, with fresh weights.

    Raises
    ------
    WeightsError
        If the description contradicts itself, or is that of a TorchScript archive, which holds its own network.
    """
    match spec:
        case PlainConvUNetSpec():
            return build_plain_conv_unet(spec)
        case SegResNetDSSpec():
            return build_segresnet_ds(spec)
        case ResUNetSpec():
            return build_res_unet(spec)
        case SwinFactorizerSpec():
            return build_swin_factorizer(spec)
        case TorchScriptSpec():
            raise WeightsError("A TorchScript network is loaded from its archive; import the weights again.")


def assemble_network(spec: NetworkSpec, tensors: Mapping[str, Tensor], label: str) -> nn.Module:
    """Build a network around tensors, in eval mode on the CPU; the tensors become its parameters without a copy.

    Weights that are stored in 16 bits to save space are widened to the 32 bits that the network computes with.

    Parameters
    ----------
    spec : NetworkSpec
        What the network looks like.
    tensors : mapping of str to Tensor
        All of its parameters and buffers, each under the first name the network knows it by.
    label : str
        What to call the weights in an error.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape or type.
    """
    try:
        network = outline_network(spec)
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        raise WeightsError(f"The network described for {label} cannot be built; import the weights again.") from error
    wanted = list_tensors(network)
    missing, surplus = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    if missing or surplus:
        name = min(missing or surplus)
        what = "lack" if missing else "have an unexpected"
        raise WeightsError(f"The weights of {label} {what} tensor {name}; they do not fit the network described.")
    tensors = {name: _widen(tensor, wanted[name]) for name, tensor in tensors.items()}
    for name, tensor in wanted.items():
        if tensors[name].shape != tensor.shape or tensors[name].dtype != tensor.dtype:
            raise WeightsError(
                f"The weights of {label} have a tensor {name} of {_describe(tensors[name])} where the network has "
                f"{_describe(tensor)}; they do not fit the network described."
            )
    aliases = {alias: tensors[name] for name, known_as in _group_names(network).items() for alias in known_as}
    network.load_state_dict(aliases, strict=True, assign=True)
    return network.requires_grad_(False).eval()


def outline_network(spec: NetworkSpec) -> nn.Module:
    """Build a network on the meta device, where tensors have shapes and no numbers, in a moment and without memory.

    Raises
    ------
    WeightsError
        As `build_network`.
    """
    with torch.device("meta"), _WithoutInitialValues():
        return build_network(spec)


class _WithoutInitialValues(TorchFunctionMode):
    """Leaves out initial values, which are replaced at once; torch imports seconds' worth of code to do without them.

    On the meta device there is nothing to fill either.
    """

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        if function in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0]
        return (torch.empty if function in (torch.rand, torch.randn) else function)(*args, **(kwargs or {}))


def list_tensors(network: nn.Module) -> dict[str, Tensor]:
    """List a network's parameters and saved buffers, each once, under its first name."""
    state = network.state_dict(keep_vars=True)
    return {name: state[name] for name in _group_names(network)}


def _group_names(network: nn.Module) -> dict[str, list[str]]:
    """All names of each tensor, by its first; a U-Net's encoder hangs in its decoder too."""
    names: defaultdict[int, list[str]] = defaultdict(list)
    for name, tensor in network.state_dict(keep_vars=True).items():
        names[id(tensor)].append(name)
    return {known_as[0]: known_as for known_as in names.values()}


def _widen(tensor: Tensor, wanted: Tensor) -> Tensor:
    is_narrow = tensor.dtype == torch.float16 and wanted.dtype == torch.float32
    return tensor.float() if is_narrow else tensor


def _describe(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
