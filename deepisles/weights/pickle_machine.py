"""A pickle read as plain data: its opcodes are interpreted here, and nothing it names is imported or called.

Python's own unpickler looks names up and calls what it finds; a hostile checkpoint is a program for it. This machine
knows names only as text. What may be made from a name is decided by the `Makers` it is given; all the rest becomes an
`Inert` record of what the pickle wanted.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from numbers import Number
from typing import Any, Protocol


@dataclass(frozen=True)
class Global:
    """A class or function that a pickle names; nothing but the name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Partial:
    """What a pickle recorded of a `functools.partial`; it cannot be called."""

    function: object
    args: tuple[object, ...] = ()
    keywords: dict[str, object] = field(default_factory=dict)


@dataclass(eq=False, repr=False)
class Inert:
    """What a pickle wanted to make of a name that is not allowed: a record that does nothing.

    Parameters
    ----------
    maker : object
        What should have been called, as a rule a `Global`.
    args, kwargs
        What it should have been called with.
    state : object
        What the result should have been given as its state.
    items, mapping
        What should have been appended or added to it, and set in it.
    """

    maker: object
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = field(default_factory=dict)
    state: object = None
    items: list[object] = field(default_factory=list)
    mapping: dict[object, object] = field(default_factory=dict)


class Makers(Protocol):
    """Decides what names, states and outside records become; raises ValueError to refuse the pickle."""

    def make(self, name: Global, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        """Make the object for a call of `name`, or an `Inert` record of that call."""
        ...

    def set_state(self, value: object, state: object) -> None:
        """Give a made object, never an `Inert` one, its state."""
        ...

    def load_outside(self, key: object) -> object:
        """Load what the pickle keeps outside itself."""
        ...


def interpret(data: bytes, makers: Makers) -> object:
    """Read a pickle of protocol 0 to 5.

    Parameters
    ----------
    data : bytes
        The pickle.
    makers : Makers
        What names become.

    Returns
    -------
    object
        Plain data, what `makers` made, `Global` and `Inert`.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError, OverflowError
        If the pickle is damaged or does what is refused.
    """
    return _Machine(makers).run(data)


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], object]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
# fmt: off
_LITERALS = frozenset([
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
])
# fmt: on
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    def __init__(self, makers: Makers) -> None:
        self.makers = makers
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, object] = {}

    def run(self, data: bytes) -> object:
        for opcode, argument, _ in pickletools.genops(data):
            name = opcode.name
            if name == "STOP":
                break
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _EMPTY:
                self.stack.append(_EMPTY[name]())
            elif name in _TUPLES:
                self.stack.append(self._pop_tuple(_TUPLES[name]))
            elif name in _HANDLERS:
                _HANDLERS[name](self, argument)
            else:
                raise ValueError(f"the opcode {name} has no place in it")
        return self.stack.pop()

    def _pop_tuple(self, count: int) -> tuple[Any, ...]:
        if len(self.stack) < count:
            raise IndexError("the stack ran out")
        taken = tuple(self.stack[-count:])
        del self.stack[-count:]
        return taken

    def _pop_marked(self) -> list[Any]:
        items, self.stack = self.stack, self.marked.pop()
        return items

    def ignore(self, argument: object) -> None:
        pass

    def mark(self, argument: object) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def pop(self, argument: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._pop_marked()

    def pop_mark(self, argument: object) -> None:
        self._pop_marked()

    def duplicate(self, argument: object) -> None:
        self.stack.append(self.stack[-1])

    def remember(self, argument: object) -> None:
        self.memo[len(self.memo) if argument is None else _index(argument)] = self.stack[-1]

    def recall(self, argument: object) -> None:
        self.stack.append(self.memo[_index(argument)])

    def make_list(self, argument: object) -> None:
        items = self._pop_marked()
        self.stack.append(items)

    def make_tuple(self, argument: object) -> None:
        items = self._pop_marked()
        self.stack.append(tuple(items))

    def make_dict(self, argument: object) -> None:
        items = self._pop_marked()
        made: dict[Hashable, object] = {}
        _set_pairs(made, items)
        self.stack.append(made)

    def make_frozenset(self, argument: object) -> None:
        items = self._pop_marked()
        self.stack.append(frozenset(check_key(item) for item in items))

    def append_one(self, argument: object) -> None:
        item = self.stack.pop()
        _append(self.stack[-1], [item])

    def append_many(self, argument: object) -> None:
        items = self._pop_marked()
        _append(self.stack[-1], items)

    def set_one(self, argument: object) -> None:
        pair = self._pop_tuple(2)
        _set_pairs(self.stack[-1], list(pair))

    def set_many(self, argument: object) -> None:
        items = self._pop_marked()
        _set_pairs(self.stack[-1], items)

    def add_many(self, argument: object) -> None:
        items = self._pop_marked()
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.items.extend(items)
        elif isinstance(target, set):
            target.update(check_key(item) for item in items)
        else:
            raise ValueError("it adds to what is no set")

    def name_text(self, argument: object) -> None:
        module, _, name = str(argument).partition(" ")
        self.stack.append(Global(module, name))

    def name_stack(self, argument: object) -> None:
        module, name = self._pop_tuple(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("it names something by what is no text")
        self.stack.append(Global(module, name))

    def reduce(self, argument: object) -> None:
        maker, args = self._pop_tuple(2)
        self.stack.append(self._make(maker, args, {}))

    def new_object(self, argument: object) -> None:
        self.reduce(argument)

    def new_object_with_keywords(self, argument: object) -> None:
        maker, args, kwargs = self._pop_tuple(3)
        self.stack.append(self._make(maker, args, kwargs))

    def new_instance(self, argument: object) -> None:
        args = self._pop_marked()
        module, _, name = str(argument).partition(" ")
        self.stack.append(self._make(Global(module, name), tuple(args), {}))

    def new_marked(self, argument: object) -> None:
        maker, *args = self._pop_marked()
        self.stack.append(self._make(maker, tuple(args), {}))

    def _make(self, maker: object, args: object, kwargs: object) -> object:
        if not isinstance(args, tuple) or not isinstance(kwargs, dict):
            raise ValueError("it calls something with what are no arguments")
        if isinstance(maker, Global):
            return self.makers.make(maker, args, kwargs)
        if isinstance(maker, Inert | Partial):
            return Inert(maker, args, kwargs)
        raise ValueError("it calls what cannot be called")

    def build(self, argument: object) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.state = state
        else:
            self.makers.set_state(target, state)

    def load_outside(self, argument: object) -> None:
        self.stack.append(self.makers.load_outside(self.stack.pop()))


_HANDLERS: dict[str, Callable[[_Machine, object], None]] = {
    "PROTO": _Machine.ignore,
    "FRAME": _Machine.ignore,
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "LIST": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "DICT": _Machine.make_dict,
    "FROZENSET": _Machine.make_frozenset,
    "APPEND": _Machine.append_one,
    "APPENDS": _Machine.append_many,
    "SETITEM": _Machine.set_one,
    "SETITEMS": _Machine.set_many,
    "ADDITEMS": _Machine.add_many,
    "GLOBAL": _Machine.name_text,
    "STACK_GLOBAL": _Machine.name_stack,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.new_object,
    "NEWOBJ_EX": _Machine.new_object_with_keywords,
    "INST": _Machine.new_instance,
    "OBJ": _Machine.new_marked,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.load_outside,
}


def check_key(key: object) -> Hashable:
    """Return a key of a dict or a member of a set if it is a flat value.

    Nested tuples are refused: hashing one that repeats itself sixty levels deep would never end.
    """
    for part in key if isinstance(key, tuple) else (key,):
        if not isinstance(part, str | bytes | Number | Global | Inert | Partial | None):
            raise ValueError(f"a {type(part).__name__} stands where a key should")
    return key


def _index(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError("a place in its memory has no number")
    return value


def _set_pairs(target: object, items: list[Any]) -> None:
    if len(items) % 2:
        raise ValueError("a key has no value")
    if isinstance(target, Inert):
        target = target.mapping
    if not isinstance(target, dict):
        raise ValueError("it sets items of what is no dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[check_key(key)] = value


def _append(target: object, items: list[Any]) -> None:
    if isinstance(target, Inert):
        target = target.items
    if not isinstance(target, list):
        raise ValueError("it appends to what is no list")
    target.extend(items)
