"""Hyper-parameters that name a class and its arguments, read as data (SWAN)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepisles.errors import WeightsError
from deepisles.weights.pickle_machine import Global, Inert, Partial


@dataclass(frozen=True)
class Call:
    """A class and what it would be called with.

    Parameters
    ----------
    maker : Global
        The class.
    args : tuple
        Positional arguments.
    keywords : dict
        Keyword arguments, in their order.
    """

    maker: Global
    args: tuple[object, ...]
    keywords: dict[str, object]

    def is_of(self, package: str, *names: str) -> bool:
        """Tell whether it is one of these classes, from any module of the package."""
        return self.maker.module.split(".")[0] == package and self.maker.name in names


def read_call(value: object, what: str) -> Call:
    """Read a class in any form that factorizer takes: alone, as a partial, or `[class, [arguments], {keywords}]`.

    Parameters
    ----------
    value : object
        As it was in the checkpoint.
    what : str
        What to call it in an error.

    Raises
    ------
    WeightsError
        If it is none of these.
    """
    args: list[object] = []
    keywords: dict[str, object] = {}
    head, rest = value, []
    if isinstance(value, list | tuple) and value:
        head, *rest = value
    if isinstance(head, Partial):
        args.extend(head.args)
        keywords.update(head.keywords)
        head = head.function
    for part in rest:
        if isinstance(part, dict):
            keywords.update(part)
        elif isinstance(part, list | tuple):
            args.extend(part)
        else:
            raise unsupported(what, value)
    if not isinstance(head, Global) or not all(isinstance(name, str) for name in keywords):
        raise unsupported(what, value)
    return Call(head, tuple(args), keywords)


class Arguments:
    """The arguments of a call, taken one by one; what nobody took was not understood.

    Parameters
    ----------
    call : Call
        The call.
    names : sequence of str
        What its positional arguments are called, in order.
    what : str
        What to call the whole in an error.

    Raises
    ------
    WeightsError
        If there are too many positional arguments, or one is given twice.
    """

    def __init__(self, call: Call, names: Sequence[str], what: str) -> None:
        self.what = what
        self.values: dict[str, object] = {}
        if len(call.args) > len(names):
            raise WeightsError(f"{what} has more arguments than are known; these weights are not supported.")
        for name, value in (*zip(names, call.args, strict=False), *call.keywords.items()):
            if name in self.values:
                raise WeightsError(f"{what} has {name} twice; these weights are damaged.")
            self.values[name] = value

    def take(self, name: str, default: object = None) -> object:
        """Take an argument, or its default."""
        return self.values.pop(name, default)

    def name_of(self, name: str) -> str:
        """Name an argument in an error."""
        return f"{name} of {self.what}"

    def expect(self, name: str, default: object, *allowed: object) -> None:
        """Take an argument that may only have the value that its network here has.

        Raises
        ------
        WeightsError
            If it has another.
        """
        value = self.take(name, default)
        if not any(value is item or (type(value) is type(item) and value == item) for item in allowed):
            raise self.refuse(name, value)

    def refuse(self, name: str, value: object) -> WeightsError:
        """Make the error for an argument that cannot be followed."""
        return unsupported(self.name_of(name), value)

    def finish(self) -> None:
        """Check that all have been taken.

        Raises
        ------
        WeightsError
            If one is left.
        """
        for name, value in self.values.items():
            raise self.refuse(name, value)


def unsupported(what: str, value: object) -> WeightsError:
    """Make the error for a hyper-parameter that cannot be followed."""
    return WeightsError(f"{what} is {describe_value(value)}, which is not supported; these weights cannot be imported.")


def describe_value(value: object) -> str:
    """Name a value in an error, shortly."""
    if isinstance(value, list | tuple) and value and isinstance(value[0], Global | Partial):
        value = value[0]
    if isinstance(value, Partial):
        value = value.function
    if isinstance(value, Inert):
        value = value.maker
    if isinstance(value, Global):
        return value.name[:60]
    text = repr(value) if isinstance(value, str | int | float | bool | None) else ""
    return text if text and len(text) <= 60 else f"a {type(value).__name__}"
