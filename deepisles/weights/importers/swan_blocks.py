"""Convolutions and residual blocks of SWAN's networks, as their hyper-parameters describe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deepisles.weights.importers.calls import Arguments, read_call, unsupported
from deepisles.weights.importers.conversion import as_float, as_int, as_triple
from deepisles.weights.pickle_machine import Global, Inert


@dataclass(frozen=True)
class Convolution:
    """A convolution as factorizer would call it: arguments that every network here has."""

    kind: Literal["Conv3d", "ConvTranspose3d"]
    kernel: int
    padding: int = 0
    bias: bool = True


@dataclass(frozen=True)
class BasicBlock:
    """What tells one residual block from another."""

    norm_groups: int
    negative_slope: float
    dropout: float


def expect_convolution(
    arguments: Arguments, name: str, expected: Convolution, bias_if_absent: bool | None = None
) -> None:
    """Take a convolution that may only be the one expected, or absent where that means the same.

    Parameters
    ----------
    arguments : Arguments
        Where it is taken from.
    name : str
        Its name there.
    expected : Convolution
        What it has to be.
    bias_if_absent : bool, optional
        Whether it has a bias if nothing is said of it; as expected if not given.

    Raises
    ------
    WeightsError
        If it is another.
    """
    value = arguments.take(name)
    if value is None:
        if bias_if_absent not in (None, expected.bias):
            raise arguments.refuse(name, value)
        return
    what = arguments.name_of(name)
    call = read_call(value, what) if not isinstance(value, str) else None
    if call is None or not call.is_of("torch", expected.kind):
        raise arguments.refuse(name, value)
    inner = Arguments(call, (), what)
    kernel = as_triple(inner.take("kernel_size"), inner.name_of("kernel_size"))
    padding = inner.take("padding", 0)
    if padding == "same":
        padding = tuple(n // 2 for n in kernel)
    if kernel != (expected.kernel,) * 3:
        raise inner.refuse("kernel_size", str(kernel))
    if as_triple(padding, inner.name_of("padding")) != (expected.padding,) * 3:
        raise inner.refuse("padding", str(padding))
    inner.expect("bias", True, expected.bias)
    for argument, default in (("stride", 1), ("dilation", 1), ("groups", 1), ("output_padding", 0)):
        given = inner.take(argument, default)
        if as_triple(given, inner.name_of(argument)) != (default,) * 3:
            raise inner.refuse(argument, given)
    inner.expect("padding_mode", "zeros", "zeros")
    inner.finish()


def read_basic_block(value: object, what: str) -> BasicBlock:
    """Read a ResU-Net's blocks: factorizer's `Same` around a `BasicBlock`.

    Raises
    ------
    WeightsError
        If they are others, or differ in what a ResU-Net here cannot.
    """
    maker = value.maker if isinstance(value, Inert) else None
    if isinstance(value, Inert) and str(maker).endswith("._reconstructor") and value.args:
        maker = value.args[0]  # how protocols below 2 make an object
    is_same = isinstance(maker, Global) and maker.module.split(".")[0] == "factorizer" and maker.name == "Same"
    if not isinstance(value, Inert) or not is_same:
        raise unsupported(what, value)
    inside = value.state.get("block") if isinstance(value.state, dict) else (value.args or (None,))[0]
    call = read_call(inside, what)
    if not call.is_of("factorizer", "BasicBlock"):
        raise unsupported(what, call.maker)
    arguments = Arguments(call, (), what)
    expect_convolution(arguments, "conv", Convolution("Conv3d", kernel=3, padding=1))
    arguments.expect("mid_channels", None, None)
    arguments.expect("stride", 1, 1)
    block = BasicBlock(_read_group_norm(arguments), _read_leaky_relu(arguments), _read_block_dropout(arguments))
    arguments.finish()
    return block


def _read_group_norm(arguments: Arguments) -> int:
    value = arguments.take("norm", (Global("torch.nn.modules.normalization", "GroupNorm"), (8,)))
    call = read_call(value, arguments.name_of("norm"))
    if not call.is_of("torch", "GroupNorm"):
        raise arguments.refuse("norm", value)
    inner = Arguments(call, ("num_groups",), arguments.name_of("norm"))
    groups = as_int(inner.take("num_groups"), inner.name_of("num_groups"))
    inner.expect("eps", 1e-5, 1e-5)
    inner.expect("affine", True, True)
    inner.finish()
    return groups


def _read_leaky_relu(arguments: Arguments) -> float:
    value = arguments.take("act", Global("torch.nn.modules.activation", "LeakyReLU"))
    call = read_call(value, arguments.name_of("act"))
    if not call.is_of("torch", "LeakyReLU"):
        raise arguments.refuse("act", value)
    inner = Arguments(call, ("negative_slope", "inplace"), arguments.name_of("act"))
    slope = as_float(inner.take("negative_slope", 1e-2), inner.name_of("negative_slope"))
    inner.take("inplace")  # says where the result is written, not what it is
    inner.finish()
    return slope


def _read_block_dropout(arguments: Arguments) -> float:
    value = arguments.take("drop", (Global("torch.nn.modules.dropout", "Dropout"), {"p": 0.0}))
    call = read_call(value, arguments.name_of("drop"))
    if not call.is_of("torch", "Dropout"):
        raise arguments.refuse("drop", value)
    inner = Arguments(call, ("p", "inplace"), arguments.name_of("drop"))
    probability = as_float(inner.take("p", 0.5), inner.name_of("p"))
    inner.take("inplace")
    inner.finish()
    return probability
