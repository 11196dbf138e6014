"""Archives that torch.save wrote: tensors as torch reads them, damage and hostile ones refused."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from published_formats import dump_torch
from torch import nn

from deepisles.errors import WeightsError
from deepisles.weights.pickle_machine import Global, Inert
from deepisles.weights.unpickling import read_pickle, read_torch_archive

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]


def rewrite(data: bytes, changes: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Write an archive again with some records changed, added or (None) left out."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", compression) as new:
        records = {name: old.read(name) for name in old.namelist()}
        for name, content in {**records, **changes}.items():
            if content is not None:
                new.writestr(name, content)
    return stream.getvalue()


def storage_pickle(key: str = "0", count: int = 4, offset: int = 0, size: int = 4, stride: int = 1) -> bytes:
    """Pickle of one float32 tensor over a storage, as torch.save writes it."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            return ("storage", torch.FloatStorage, key, "cpu", count) if isinstance(obj, Here) else None

        def reducer_override(self, obj: object) -> object:
            if isinstance(obj, Tensorlike):
                return torch._utils._rebuild_tensor_v2, (Here(), offset, (size,), (stride,), False, OrderedDict())
            return NotImplemented

    class Here:
        pass

    class Tensorlike:
        pass

    stream = io.BytesIO()
    Pickler(stream, 2).dump({"a": Tensorlike()})
    return stream.getvalue()


@pytest.fixture
def archive() -> bytes:
    return dump_torch({"a": torch.arange(4.0)})


def record(archive: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return next(entry for entry in file.namelist() if entry.endswith(name))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_come_back(dtype: torch.dtype, protocol: int) -> None:
    whole = (10 * torch.randn(4, 6)).to(dtype)
    value = {"whole": whole, "part": whole[1:3, ::2], "turned": whole.T, "none": torch.empty(0, 3), "one": whole[2, 3]}
    found = read_torch_archive(dump_torch(value, protocol), "it")
    assert isinstance(found, dict)
    for name, tensor in value.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert found["part"].untyped_storage().data_ptr() == found["whole"].untyped_storage().data_ptr()


@pytest.mark.parametrize("protocol", [2, 4])
def test_all_that_checkpoints_hold(protocol: int) -> None:
    module = nn.BatchNorm3d(3)
    value = {
        "state_dict": module.state_dict(),
        "parameter": nn.Parameter(torch.ones(2)),
        "size": torch.Size([1, 2]),
        "scalar": np.float64(0.5),
        "integer": np.int64(7),
        "text": np.str_("a"),
        "array": np.arange(6, dtype=np.int32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "objects": np.array([None, "a"], dtype=object),
        "flags": np.array([True, False]),
        "bytes": b"ab\xff",
        "no bytes": b"",
        "set": {1, 2},
    }
    found = read_torch_archive(dump_torch(value, protocol), "it")
    assert isinstance(found, dict)
    assert list(found["state_dict"]) == list(value["state_dict"])
    assert torch.equal(found["parameter"], torch.ones(2))
    for name in ("size", "scalar", "integer", "text", "bytes", "no bytes", "set"):
        assert found[name] == value[name]
    for name in ("array", "fortran", "objects", "flags"):
        np.testing.assert_array_equal(found[name], value[name])
        assert found[name].dtype == value[name].dtype


@pytest.mark.parametrize("old", [True, False])
def test_numpy_names_of_both_generations(old: bool) -> None:
    data = pickle.dumps([np.arange(3.0), np.float32(2)], 2)
    names = (b"numpy._core.multiarray", b"numpy.core.multiarray")
    data = data.replace(*(names if old else names[::-1]))
    found = read_pickle(data, "it")
    assert isinstance(found, list)
    np.testing.assert_array_equal(found[0], [0, 1, 2])
    assert found[1] == 2


@pytest.mark.parametrize(
    "array", [np.array([(1, 2.0)], dtype="i4,f8"), np.array(["2020-01-01"], dtype="M8[D]"), np.arange(2, dtype=">f8")]
)
def test_unusual_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(WeightsError, match=r"numpy|array"):
        read_pickle(pickle.dumps(array, 4), "it")


def test_a_hostile_archive_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    class Hostile:
        def __reduce__(self) -> object:
            return os.system, (f"touch {trace}",)

    found = read_torch_archive(dump_torch({"state_dict": {"a": torch.ones(1)}, "x": Hostile()}), "it")
    assert isinstance(found, dict)
    assert isinstance(found["x"], Inert)
    assert found["x"].maker == Global(os.system.__module__, "system")
    assert not trace.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "../data.pkl"},
        {"key": "/etc/passwd"},
        {"key": "1"},
        {"count": 5},
        {"count": 3},
        {"count": 2**60},
        {"offset": 1},
        {"offset": 2**62},
        {"size": 5},
        {"size": 2**40, "stride": 0},
        {"size": 4, "stride": 2},
        {"size": 2, "stride": -1},
        {"size": -1},
    ],
)
def test_storages_keep_their_bounds(archive: bytes, changes: dict[str, int]) -> None:
    good = rewrite(archive, {record(archive, "data.pkl"): storage_pickle()})
    assert torch.equal(read_torch_archive(good, "it")["a"], torch.arange(4.0))  # type: ignore[index]
    bad = rewrite(archive, {record(archive, "data.pkl"): storage_pickle(**changes)})  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=r"^it is damaged or no checkpoint"):
        read_torch_archive(bad, "it")


def test_a_key_that_climbs_out_finds_nothing_even_if_such_a_record_exists(archive: bytes) -> None:
    root = record(archive, "data.pkl").removesuffix("data.pkl")
    changes = {record(archive, "data.pkl"): storage_pickle(key="../0"), f"{root}data/../0": bytes(16)}
    with pytest.raises(WeightsError, match="name"):
        read_torch_archive(rewrite(archive, changes), "it")


def test_damaged_archives(archive: bytes) -> None:
    data_record, storage = record(archive, "data.pkl"), record(archive, "data/0")
    damaged = [
        b"",
        b"text",
        archive[:-100],
        archive[: len(archive) // 2],
        rewrite(archive, {data_record: None}),
        rewrite(archive, {"other/data.pkl": b"N."}),
        rewrite(archive, {storage: None}),
        rewrite(archive, {storage: bytes(15)}),
        rewrite(archive, {record(archive, "byteorder"): b"big"}),
        rewrite(archive, {}, zipfile.ZIP_DEFLATED),
        pickle.dumps({"a": 1}),
    ]
    for data in damaged:
        with pytest.raises(WeightsError, match=r"^it is damaged or no checkpoint") as caught:
            read_torch_archive(data, "it")
        assert "\n" not in str(caught.value)


def test_a_changed_byte_of_a_tensor_is_noticed(archive: bytes) -> None:
    at = archive.index(np.arange(4, dtype="<f4").tobytes()) + 5
    with pytest.raises(WeightsError, match="CRC"):
        read_torch_archive(archive[:at] + b"\xff" + archive[at + 1 :], "it")


@given(data=st.data())
def test_any_damage_is_a_weights_error_or_data(data: st.DataObject) -> None:
    changed = bytearray(dump_torch({"a": torch.arange(4.0), "n": np.float64(1)}))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_torch_archive(bytes(changed), "it")
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_golden_checkpoints_are_read_as_torch_reads_them(golden: Path) -> None:
    for path in sorted(golden.glob("weights/SEALS/**/*.model")):
        found = read_torch_archive(path.read_bytes(), path.name)
        scalar = (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar")
        with torch.serialization.safe_globals([scalar, np.dtype, np.dtypes.Float64DType]):
            expected = torch.load(path, weights_only=True)
        assert isinstance(found, dict)
        assert list(found["state_dict"]) == list(expected["state_dict"])
        assert all(torch.equal(found["state_dict"][name], tensor) for name, tensor in expected["state_dict"].items())
        assert found["plot_stuff"] == expected["plot_stuff"]
