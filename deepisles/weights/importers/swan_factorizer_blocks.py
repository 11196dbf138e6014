"""A Swin Factorizer's blocks, as their hyper-parameters describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Literal, TypeVar

from deepisles.errors import WeightsError
from deepisles.weights.importers.calls import Arguments, read_call, unsupported
from deepisles.weights.importers.conversion import Triple, as_float, as_int, as_list, as_triple

DEFAULT_COMPRESSION = 10
"""Matrix over factors, where no rank is given (factorizer, NMF)."""

_T = TypeVar("_T")
Level = tuple[int, Triple]
"""Channels and spatial size of a U-Net's level."""


@dataclass(frozen=True)
class FactorizerBlocks:
    """What tells one Swin Factorizer's blocks from another's; names are those of `SwinFactorizerSpec`."""

    sub_blocks: tuple[Literal["nmf", "mlp"], ...]
    head_dim: int | tuple[int, ...] = 1
    patch_size: Triple | tuple[Triple, ...] = (1, 1, 1)
    shifts: tuple[Triple | None, ...] = (None,)
    rank: int | tuple[int, ...] = 1
    iterations: int = 1
    nmf_dropout: float = 0.0
    mlp_ratio: float = 2.0
    mlp_dropout: float = 0.0


def read_factorizer_blocks(sub_blocks: Mapping[str, object], levels: Sequence[Level], what: str) -> FactorizerBlocks:
    """Read a Swin Factorizer's sub-blocks.

    Parameters
    ----------
    sub_blocks : mapping of str to object
        Name and class of each, in order.
    levels : sequence
        Channels and size of the U-Net's levels.
    what : str
        What to call the network in an error.

    Raises
    ------
    WeightsError
        If one is unknown, or has what a Swin Factorizer here has not.
    """
    found: dict[str, object] = {}
    for name, value in sub_blocks.items():
        call = read_call(value, f"{name:.60} of {what}")
        if name == "nmf" and call.is_of("factorizer", "FactorizerSubblock"):
            found.update(_read_factorization(Arguments(call, (), f"nmf of {what}"), levels))
        elif name == "mlp" and call.is_of("factorizer", "MLP"):
            found.update(_read_perceptron(Arguments(call, (), f"mlp of {what}")))
        else:
            raise unsupported(f"{name:.60} of {what}", value)
    if not sub_blocks:
        raise WeightsError(f"The blocks of {what} are empty; these weights cannot be imported.")
    return FactorizerBlocks(sub_blocks=tuple(sub_blocks), **found)  # type: ignore[arg-type]


def _read_perceptron(arguments: Arguments) -> dict[str, object]:
    arguments.expect("output_dim", None, None)
    arguments.expect("hidden_dim", None, None)
    ratio = as_float(arguments.take("ratio", 2), arguments.name_of("ratio"))
    dropout = arguments.take("dropout", 0.0)
    if isinstance(dropout, list | tuple) and len(set(dropout)) == 1:
        dropout = dropout[0]
    probability = as_float(dropout, arguments.name_of("dropout"))
    arguments.finish()
    return {"mlp_ratio": ratio, "mlp_dropout": probability}


def _read_factorization(arguments: Arguments, levels: Sequence[Level]) -> dict[str, object]:
    activation = arguments.take("act")
    if activation is None or not read_call(activation, arguments.name_of("act")).is_of("torch", "ReLU"):
        raise arguments.refuse("act", activation)
    factorization = arguments.take("factorize")
    if factorization is None or not (call := read_call(factorization, arguments.name_of("factorize"))).is_of(
        "factorizer", "NMF"
    ):
        raise arguments.refuse("factorize", factorization)
    if call.args:
        raise arguments.refuse("factorize", call.args)
    arguments.values = {**call.keywords, **arguments.values}
    arguments.expect("init", "uniform", "uniform")
    arguments.expect("solver", "hals", "hals")
    for name in ("num_grad_steps", "verbose"):
        arguments.take(name)  # these concern training only
    dropout = as_float(arguments.take("dropout", 0.0), arguments.name_of("dropout"))
    iterations = as_int(arguments.take("num_iters", 5), arguments.name_of("num_iters"))
    rank, compression = arguments.take("rank"), arguments.take("compression", DEFAULT_COMPRESSION)
    windows = _read_windows(arguments, levels)
    if rank is not None:
        ranks = [as_int(rank, arguments.name_of("rank"))] * len(levels)
    else:
        ratio = as_float(compression, arguments.name_of("compression"))
        ranks = [
            _find_rank(head_dim, prod(patch), ratio)
            for head_dim, patch in zip(windows.head_dims, windows.patch_sizes, strict=True)
        ]
    arguments.finish()
    return {
        "head_dim": _one_or_all(windows.head_dims),
        "patch_size": _one_or_all(windows.patch_sizes),
        "shifts": windows.shifts,
        "rank": _one_or_all(ranks),
        "iterations": iterations,
        "nmf_dropout": dropout,
    }


def _find_rank(rows: int, columns: int, compression: float) -> int:
    """Rank at which a matrix's factors are `compression` times smaller than the matrix (factorizer, MF)."""
    return max(ceil(rows * columns / (compression * (rows + columns))), 1)


@dataclass(frozen=True)
class _Windows:
    head_dims: list[int]
    patch_sizes: list[Triple]
    shifts: tuple[Triple | None, ...]


def _read_windows(arguments: Arguments, levels: Sequence[Level]) -> _Windows:
    value = arguments.take("tensorize")
    what = arguments.name_of("tensorize")
    call = read_call(value, what)
    if not call.is_of("factorizer", "SWMatricize"):
        raise arguments.refuse("tensorize", value)
    inner = Arguments(call, (), what)
    heads, head_dim = inner.take("num_heads"), inner.take("head_dim")
    grid, patch = inner.take("grid_size"), inner.take("patch_size")
    shifts = inner.take("shifts")
    inner.finish()
    head_dims = [_divide(width, heads, head_dim, inner.name_of("head_dim or num_heads")) for width, _ in levels]
    patch_sizes = [_divide_size(size, grid, patch, inner.name_of("patch_size or grid_size")) for _, size in levels]
    return _Windows(head_dims, patch_sizes, _read_shifts(shifts, patch, inner))


def _read_shifts(shifts: object, patch: object, arguments: Arguments) -> tuple[Triple | None, ...]:
    what = arguments.name_of("shifts")
    if shifts is not None:
        return tuple(None if shift is None else as_triple(shift, what) for shift in as_list(shifts, what))
    # the default needs a patch size; with a grid factorizer itself fails
    a, b, c = as_triple(patch, arguments.name_of("patch_size"))
    return None, (a // 2, b // 2, c // 2)


def _divide(total: int, parts: object, size: object, what: str) -> int:
    """Size of a part, from the number of parts or the size or both; factorizer takes 0 as 1."""
    if size is not None:
        part = max(as_int(size, what), 1)
        count = total // part if parts is None else max(as_int(parts, what), 1)
    else:
        count = max(as_int(parts, what), 1)
        part = total // count
    if part * count != total:
        raise WeightsError(f"{what} does not divide {total}; these weights cannot be imported.")
    return part


def _divide_size(size: Triple, grid: object, patch: object, what: str) -> Triple:
    grids = (None,) * 3 if grid is None else as_triple(grid, what)
    patches = (None,) * 3 if patch is None else as_triple(patch, what)
    a, b, c = (_divide(n, g, p, what) for n, g, p in zip(size, grids, patches, strict=True))
    return a, b, c


def _one_or_all(values: Sequence[_T]) -> _T | tuple[_T, ...]:
    """One value for all levels where they agree, else one per level."""
    return values[0] if len(set(values)) == 1 else tuple(values)
