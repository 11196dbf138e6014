"""The pickle machine: plain data as Python's own unpickler gives it, and nothing run whatever the pickle says."""

from __future__ import annotations

import functools
import os
import pickle
import pickletools
import struct
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepisles.errors import WeightsError
from deepisles.weights.pickle_machine import Global, Inert, Partial
from deepisles.weights.unpickling import read_pickle

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
KEYS = st.text() | st.integers() | st.tuples(st.text(), st.integers())
PLAIN = st.recursive(
    SCALARS | st.sets(st.integers()) | st.frozensets(st.text()),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner)
        | st.dictionaries(KEYS, inner).map(OrderedDict)
    ),
    max_leaves=12,
)


class Runs:
    """Pickles as a call of anything with anything."""

    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


class Stateful:
    """Pickles as an object with state."""

    def __init__(self) -> None:
        self.value = [1, 2]


class Dictionary(dict):  # type: ignore[type-arg]
    """Pickles as an unknown class with items."""


@given(value=PLAIN, protocol=st.integers(2, 5))
def test_plain_data_comes_back(value: object, protocol: int) -> None:
    found = read_pickle(pickle.dumps(value, protocol), "it")
    assert found == value
    assert type(found) is type(value)


def test_shared_and_recursive_parts_stay_one() -> None:
    shared: list[object] = [1]
    shared.append(shared)
    found = read_pickle(pickle.dumps({"a": shared, "b": shared}), "it")
    assert isinstance(found, dict)
    assert found["a"] is found["b"] is found["a"][1]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_nothing_is_run(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "trace"
    monkeypatch.setenv("TRACE", str(trace))
    hostile = [
        Runs(os.system, f"touch {trace}"),
        Runs(eval, f"open({str(trace)!r}, 'w')"),
        Runs(exec, f"open({str(trace)!r}, 'w')"),
        Runs(subprocess.check_output, ["touch", str(trace)]),
        Runs(getattr, Runs(__import__, "os"), "system"),
        Runs(open, str(trace), "w"),
    ]
    for value in hostile:
        try:
            found = read_pickle(pickle.dumps(value, protocol), "it")
        except WeightsError as error:
            assert str(error).count("\n") == 0  # noqa: PT017
        else:
            assert isinstance(found, Inert)
    assert not trace.exists()


def test_a_chain_of_getattr_stays_a_record() -> None:
    # getattr(__import__("os"), "system")("true")
    imported = b"cbuiltins\n__import__\n(X\x02\x00\x00\x00ostR"
    data = b"\x80\x02cbuiltins\ngetattr\n(" + imported + b"X\x06\x00\x00\x00systemtR(X\x04\x00\x00\x00truetR."
    found = read_pickle(data, "it")
    assert isinstance(found, Inert)
    assert isinstance(found.maker, Inert)
    assert found.maker.maker == Global("builtins", "getattr")
    assert not callable(found)


def test_a_dotted_name_is_not_followed() -> None:
    data = b"\x80\x04\x8c\x0bcollections\x8c\x10OrderedDict.copy\x93."
    assert read_pickle(data, "it") == Global("collections", "OrderedDict.copy")


def test_state_cannot_be_set_on_what_is_made_for_real() -> None:
    # BUILD on the name of a class, on a list, and on a tuple
    for value in (b"ccollections\nOrderedDict\n", b"]", b")"):
        with pytest.raises(WeightsError):
            read_pickle(b"\x80\x02" + value + b"}X\x01\x00\x00\x00aK\x01sb.", "it")
    before = dict(vars(OrderedDict))
    data = b"\x80\x02ccollections\nOrderedDict\n)R}X\x08\x00\x00\x00__call__cos\nsystem\nsb."
    found = read_pickle(data, "it")
    assert found == OrderedDict()
    assert vars(found) == {}
    assert dict(vars(OrderedDict)) == before


def test_unknown_objects_keep_what_they_were_given() -> None:
    found = read_pickle(pickle.dumps(Stateful(), 2), "it")
    assert isinstance(found, Inert)
    assert found.state == {"value": [1, 2]}
    found = read_pickle(pickle.dumps(Dictionary(a=1), 4), "it")
    assert isinstance(found, Inert)
    assert found.mapping == {"a": 1}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_partial_is_a_record(protocol: int) -> None:
    found = read_pickle(pickle.dumps(functools.partial(os.system, "true", a=1), protocol), "it")
    assert isinstance(found, Partial)
    assert found.function == Global(os.system.__module__, "system")
    assert found.args == ("true",)
    assert found.keywords == {"a": 1}
    assert not callable(found)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02",
        b"not a pickle",
        b"\x80\x02(.",
        b"\x80\x02]a.",
        b"\x80\x02h\x05.",
        b"\x80\x02K\x01K\x02s.",
        b"\x80\x02K\x01)R.",
        b"\x80\x02\x82\x01.",  # the extension registry
        b"\x80\x02K\x01Q.",  # something outside a plain pickle
        b"\x80\x05\x97.",  # a buffer outside the pickle
        b"\x80\x02}]K\x01s.",  # a list as a key
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",  # more bytes than there are
        b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b"x.",
        b"\x80\x02X" + struct.pack("<I", 2**31) + b"x.",
        b"\x80\x02ccollections\nOrderedDict\nK\x05\x85R.",
        b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85RK\x01b.",
    ],
)
def test_damage_is_one_sentence(data: bytes) -> None:
    with pytest.raises(WeightsError, match=r"^it is damaged or no checkpoint \(.+\); fetch it again\.$"):
        read_pickle(data, "it")


def test_a_far_place_in_memory_costs_nothing() -> None:
    assert read_pickle(b"\x80\x02Nr\xff\xff\xff\xff.", "it") is None


def test_a_tuple_that_repeats_itself_is_no_key() -> None:
    # ((((), ()), ((), ())), ...), 64 levels: its hash would take 2**64 steps
    data = b"\x80\x02})" + b"2\x86" * 64 + b"Ns."
    assert any(op.name == "DUP" for op, _, _ in pickletools.genops(data))
    with pytest.raises(WeightsError, match="key"):
        read_pickle(data, "it")


@given(data=st.data())
def test_any_damage_is_a_weights_error_or_data(data: st.DataObject) -> None:
    original = bytearray(pickle.dumps({"a": [1, (2.5, "b")], "o": Stateful(), "d": OrderedDict(x=b"1")}, 4))
    for _ in range(data.draw(st.integers(1, 4))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_pickle(bytes(original), "it")
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017
