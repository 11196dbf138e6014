"""Values of DICOM elements as plain numbers and text, whatever the file has in their place."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any

from pydicom.dataset import Dataset

from deepisles.case.dicom.frame import Vector


def get_text(dataset: Dataset, keyword: str) -> str:
    """Give an element's text in upper case, "" where there is none."""
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip().upper()


def get_words(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Give an element's values as upper-case words."""
    value = dataset.get(keyword)
    if value is None:
        return ()
    parts = [value] if isinstance(value, str) else list(value)
    return tuple(str(part).strip().upper() for part in parts if str(part).strip())


def get_numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Give an element's values as finite numbers, () where one is none."""
    return to_numbers(dataset.get(keyword))


def get_number(dataset: Dataset, keyword: str) -> float | None:
    """Give an element's first value as a number."""
    numbers = get_numbers(dataset, keyword)
    return numbers[0] if numbers else None


def get_whole(dataset: Dataset, keyword: str) -> int | None:
    """Give an element's first value as a whole number."""
    number = get_number(dataset, keyword)
    return None if number is None else round(number)


def get_item(dataset: Dataset, keyword: str) -> Dataset:
    """Give the first item of a sequence, an empty one where there is none."""
    sequence = dataset.get(keyword)
    if isinstance(sequence, Iterable) and not isinstance(sequence, str | bytes):
        for item in sequence:
            if isinstance(item, Dataset):
                return item
    return Dataset()


def get_private(dataset: Dataset, group: int, creator: str, element: int) -> Any:  # noqa: ANN401 - any element's value
    """Give the value of a private element of a creator (PS3.5 7.8.1), None where there is none."""
    try:
        return dataset.get_private_item(group, element, creator).value
    except KeyError:
        return None


def to_numbers(value: Any, packed: str = "") -> tuple[float, ...]:  # noqa: ANN401 - any element's value
    """Turn an element's value into finite numbers, () where it is none.

    Parameters
    ----------
    value
        A number, text, a sequence of them, or bytes where a transfer lost the element's type (VR UN).
    packed : str
        How bytes hold each number, as `struct` says it: "d" for FD, "f" for FL; "" for text.
    """
    if value is None:
        return ()
    if isinstance(value, bytes):
        value = _unpack(value, packed)
    parts = value if isinstance(value, Iterable) and not isinstance(value, str) else str(value).split("\\")
    try:
        numbers = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        return ()
    return numbers if all(math.isfinite(number) for number in numbers) else ()


def to_vector(numbers: tuple[float, ...]) -> Vector | None:
    """Take three numbers as a vector."""
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def _unpack(value: bytes, packed: str) -> tuple[float, ...] | list[str]:
    size = struct.calcsize(packed) if packed else 0
    if size and value and len(value) % size == 0:
        # every transfer syntax that scanners still write is little-endian
        return struct.unpack(f"<{len(value) // size}{packed}", value)
    return value.decode("ascii", errors="replace").strip(" \0").split("\\")
