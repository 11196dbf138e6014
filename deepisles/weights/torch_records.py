"""What `torch.save` writes: a zip of one pickle and the bytes of the tensors, each read with its bounds checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor

from deepisles.weights.pickle_machine import Global, Inert
from deepisles.weights.plain_makers import PlainMakers, read_natural, read_naturals

MAX_RECORDS = 100_000
READ_BYTES = 2**24

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class TorchRecords:
    """The records of a torch archive, each read at most once, in all no more bytes than the archive has."""

    def __init__(self, archive: ZipFile, size: int) -> None:
        entries = archive.infolist()
        if len(entries) > MAX_RECORDS:
            raise ValueError("it has too many records")
        self.archive = archive
        self.entries = {entry.filename: entry for entry in entries}
        self.bytes_left = size
        roots = [name.removesuffix("data.pkl") for name in self.entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(roots) != 1 or len(self.entries) != len(entries):
            raise ValueError("its records are not those of torch.save")
        self.root = roots[0]
        if "byteorder" in self and self.read("byteorder", 16) != b"little":
            raise ValueError("its byte order is not little-endian")

    def __contains__(self, name: str) -> bool:
        return self.root + name in self.entries

    def read(self, name: str, limit: int) -> bytearray:
        """Read a record.

        Raises
        ------
        KeyError, ValueError, zipfile.BadZipFile
            If it is absent, too large, compressed or damaged.
        """
        entry = self.entries[self.root + name]
        if entry.compress_type != ZIP_STORED or entry.file_size > min(limit, self.bytes_left):
            raise ValueError(f"its record {name} is compressed or too large")
        self.bytes_left -= entry.file_size
        content = bytearray(entry.file_size)
        with self.archive.open(entry) as stream:
            # a read beyond the end compares the checksum
            filled = 0
            while chunk := stream.read(READ_BYTES):
                content[filled : filled + len(chunk)] = chunk
                filled += len(chunk)
        if filled != entry.file_size:
            raise ValueError(f"its record {name} is cut off")
        return content


@dataclass(frozen=True)
class _Storage:
    """The flat values that tensors are views of."""

    values: Tensor


class TensorMakers(PlainMakers):
    """Also makes tensors, from an archive's records."""

    def __init__(self, records: TorchRecords) -> None:
        super().__init__()
        self.makers = {**self.makers, **_MAKERS}
        self.records = records
        self.storages: dict[str, _Storage] = {}

    def load_outside(self, key: object) -> object:
        """Read a storage, once; one of an unknown type stays a record."""
        if not isinstance(key, tuple):
            raise ValueError("it refers to what is no storage")
        kind, storage_type, name, _, count = key
        if kind != "storage" or not isinstance(storage_type, Global):
            raise ValueError("it refers to what is no storage")
        dtype = _STORAGES.get(storage_type.name) if storage_type.module == "torch" else None
        if dtype is None:
            return Inert(storage_type, (name, count))
        if not isinstance(name, str) or not re.fullmatch(r"\d{1,9}", name):
            raise ValueError("a storage has no proper name")
        storage = self.storages.get(name)
        if storage is None:
            storage = self.storages[name] = _Storage(self._read(name, dtype, read_natural(count)))
        if storage.values.dtype != dtype or storage.values.numel() != count:
            raise ValueError(f"storage {name} is described in two ways")
        return storage

    def _read(self, name: str, dtype: torch.dtype, count: int) -> Tensor:
        size = count * dtype.itemsize
        content = self.records.read(f"data/{name}", size)
        if len(content) != size:
            raise ValueError(f"storage {name} has {len(content)} bytes instead of {size}")
        return torch.frombuffer(content, dtype=dtype) if size else torch.empty(0, dtype=dtype)


def _view_tensor(storage: object, offset: object, size: object, stride: object, *notes: object) -> object:
    if isinstance(storage, Inert):
        return Inert(Global("torch._utils", "_rebuild_tensor_v2"), (storage, offset, size, stride))
    if not isinstance(storage, _Storage):
        raise ValueError("a tensor has no storage")
    start, shape, steps = read_natural(offset), read_naturals(size), read_naturals(stride)
    if len(shape) != len(steps):
        raise ValueError("a tensor's shape and strides differ in length")
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    count = prod(shape)
    if count > storage.values.numel() or (count and last >= storage.values.numel()):
        raise ValueError("a tensor reaches beyond its storage")
    return torch.as_strided(storage.values, shape, steps, start)


def _keep_tensor(tensor: object, *notes: object) -> object:
    return tensor


_MAKERS: dict[Global, Callable[..., object]] = {
    Global("torch._utils", "_rebuild_tensor"): _view_tensor,
    Global("torch._utils", "_rebuild_tensor_v2"): _view_tensor,
    Global("torch._utils", "_rebuild_parameter"): _keep_tensor,
    Global("torch._utils", "_rebuild_parameter_with_state"): _keep_tensor,
    Global("torch.nn.parameter", "Parameter"): _keep_tensor,
}
