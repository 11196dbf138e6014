"""The few things that checkpoints' pickles may make for real: containers, numpy arrays and numbers."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from deepisles.weights.pickle_machine import Global, Inert, Partial, check_key

MAX_DIMENSIONS = 16

_PLAIN_DTYPE = re.compile(r"[<=|]?([biufc]\d{1,2}|\?|O8?|[SU]\d{1,4})")


class PlainMakers:
    """Makes the few things that checkpoints need."""

    makers: Mapping[Global, Callable[..., object]]

    def __init__(self) -> None:
        self.makers = _MAKERS

    def make(self, name: Global, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        """Make what is on the list, and a record of anything else."""
        maker = self.makers.get(name)
        return Inert(name, args, kwargs) if maker is None or kwargs else maker(*args)

    def set_state(self, value: object, state: object) -> None:
        """Give a partial, an array or a numpy type its state; refuse any other object's."""
        if isinstance(value, OrderedDict):
            return  # notes of torch's such as _metadata, which nothing here reads
        if not isinstance(state, tuple):
            raise ValueError(f"it sets the state of a {type(value).__name__}")
        if isinstance(value, Partial):
            value.function, args, keywords, _ = state
            value.args, value.keywords = tuple(args), dict(keywords or {})
        elif isinstance(value, np.ndarray):
            _fill_array(value, state)
        elif isinstance(value, np.dtype):
            # (version, byte order, subarray, names, fields, item size, alignment, flags)
            if state[1] not in ("<", "=", "|") or any(part is not None for part in state[2:5]):
                raise ValueError("a numpy type is none of the plain ones")
        else:
            raise ValueError(f"it sets the state of a {type(value).__name__}")

    def load_outside(self, key: object) -> object:
        """Refuse: a plain pickle has nothing outside itself."""
        raise ValueError("it refers to something outside itself")


def read_natural(value: object) -> int:
    """Read a whole number that is not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a size is no whole number")
    return value


def read_naturals(values: object) -> tuple[int, ...]:
    """Read the numbers of a shape."""
    if not isinstance(values, tuple | list) or len(values) > MAX_DIMENSIONS:
        raise ValueError("a shape is no list of whole numbers")
    return tuple(read_natural(value) for value in values)


def _make_ordered_dict(pairs: object = ()) -> OrderedDict[Any, object]:
    if not isinstance(pairs, list | tuple):
        raise ValueError("an OrderedDict is made of what are no pairs")
    return OrderedDict((check_key(key), value) for key, value in pairs)


def _make_set(items: object = ()) -> set[Any]:
    if not isinstance(items, list | tuple):
        raise ValueError("a set is made of what is no list")
    return {check_key(item) for item in items}


def _make_frozenset(items: object = ()) -> frozenset[Any]:
    return frozenset(_make_set(items))


def _make_bytes(*args: object) -> bytes:
    # protocol 2 writes empty bytes as bytes() and others as text to encode
    if args:
        raise ValueError("bytes are made of something")
    return b""


def _encode(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("it encodes what is no text")
    return text.encode("latin1")


def _make_partial(function: object, *args: object) -> Partial:
    return Partial(function, args)


def _make_dtype(text: object, *flags: object) -> object:
    if isinstance(text, str) and _PLAIN_DTYPE.fullmatch(text):
        return np.dtype(text)
    return Inert(Global("numpy", "dtype"), (text, *flags))


def _start_array(kind: object, shape: object, typecode: object) -> object:
    # numpy starts from an empty array and gives it all the rest as its state
    return np.empty(0)


def _fill_array(array: np.ndarray[Any, Any], state: tuple[Any, ...]) -> None:
    shape, dtype, is_fortran, content = state[-4:]
    shape = read_naturals(shape)
    if not isinstance(dtype, np.dtype):
        raise ValueError("an array has a type that is none of the plain ones")
    holds_objects = dtype.kind == "O"
    length = prod(shape) * (1 if holds_objects else dtype.itemsize)
    if not isinstance(content, list if holds_objects else bytes | bytearray) or len(content) != length:
        raise ValueError("an array's content does not fit its shape")
    plain = content if holds_objects else bytes(content)
    # numpy's stub asks for numpy's bool, numpy itself for Python's
    array.__setstate__((1, shape, dtype, bool(is_fortran), plain))  # type: ignore[arg-type]


def _make_array(content: object, dtype: object, shape: object, order: object) -> object:
    array = np.empty(0)
    _fill_array(array, (read_naturals(shape), dtype, order == "F", content))
    return array


def _make_scalar(dtype: object, content: object) -> object:
    if not isinstance(dtype, np.dtype) or dtype.kind == "O" or not isinstance(content, bytes):
        raise ValueError("a number has a type that is none of the plain ones")
    if len(content) != dtype.itemsize:
        raise ValueError("a number's content does not fit its type")
    return np.frombuffer(content, dtype)[0].item()


_MAKERS: dict[Global, Callable[..., object]] = {
    Global("collections", "OrderedDict"): _make_ordered_dict,
    Global("functools", "partial"): _make_partial,
    Global("_codecs", "encode"): _encode,
    Global("torch", "Size"): read_naturals,
    Global("numpy", "dtype"): _make_dtype,
}
for _module in ("builtins", "__builtin__"):
    _MAKERS[Global(_module, "set")] = _make_set
    _MAKERS[Global(_module, "frozenset")] = _make_frozenset
    _MAKERS[Global(_module, "bytes")] = _make_bytes
for _module in ("numpy.core", "numpy._core"):
    _MAKERS[Global(f"{_module}.multiarray", "_reconstruct")] = _start_array
    _MAKERS[Global(f"{_module}.multiarray", "scalar")] = _make_scalar
    _MAKERS[Global(f"{_module}.numeric", "_frombuffer")] = _make_array
