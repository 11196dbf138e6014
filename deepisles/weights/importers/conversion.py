"""What every importer returns, and how it reads numbers that pickles hold in many types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
from torch import Tensor

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import NetworkSpec
from deepisles.weights.pickle_machine import Inert

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class ConvertedNetwork:
    """A network out of a published file, proven to fit together.

    Parameters
    ----------
    spec : description
        What it looks like.
    tensors : dict of str to Tensor
        Its parameters and buffers, float32 where floating; empty if the archive is kept.
    archive : bytes, optional
        The TorchScript archive, where it could not be rebuilt.
    """

    spec: NetworkSpec
    tensors: dict[str, Tensor] = field(default_factory=dict)
    archive: bytes | None = None


def plain_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors into memory of their own, floating ones as float32, which is what the originals run in."""
    return {
        name: tensor.detach().float().clone().contiguous() if tensor.is_floating_point() else tensor.detach().clone()
        for name, tensor in tensors.items()
    }


def as_mapping(value: object, what: str) -> Mapping[object, object]:
    """Read a dictionary, or what became of one whose class is unknown (Lightning's AttributeDict).

    Raises
    ------
    WeightsError
        If it is none.
    """
    if isinstance(value, Inert):
        value = value.mapping
    if not isinstance(value, Mapping):
        raise WeightsError(f"{what} cannot be read from the checkpoint; fetch the weights again.")
    return value


def as_int(value: object, what: str) -> int:
    """Read a whole number of any type.

    Raises
    ------
    WeightsError
        If it is none.
    """
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Real) and float(value).is_integer():
        return int(float(value))
    raise WeightsError(f"{what} is {_short(value)} where a whole number is needed; these weights are not supported.")


def as_float(value: object, what: str) -> float:
    """Read a number of any type.

    Raises
    ------
    WeightsError
        If it is none.
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    raise WeightsError(f"{what} is {_short(value)} where a number is needed; these weights are not supported.")


def as_list(value: object, what: str) -> list[object]:
    """Read a list, tuple or array.

    Raises
    ------
    WeightsError
        If it is none.
    """
    if isinstance(value, np.ndarray) and value.ndim:
        return list(value)
    if isinstance(value, list | tuple):
        return list(value)
    raise WeightsError(f"{what} is {_short(value)} where a list is needed; these weights are not supported.")


def as_ints(value: object, what: str) -> tuple[int, ...]:
    """Read a list of whole numbers."""
    return tuple(as_int(item, what) for item in as_list(value, what))


def as_triple(value: object, what: str) -> Triple:
    """Read one whole number per axis, or one for all three.

    Raises
    ------
    WeightsError
        If it is neither.
    """
    if isinstance(value, Integral):
        value = (value, value, value)
    numbers = as_ints(value, what)
    if len(numbers) != 3:
        raise WeightsError(f"{what} has {len(numbers)} axes where 3 are needed; these weights are not supported.")
    return numbers[0], numbers[1], numbers[2]


def _short(value: object) -> str:
    if value is None:
        return "missing"
    return f"'{value}'" if isinstance(value, str | Real) and len(str(value)) <= 30 else f"a {type(value).__name__}"
