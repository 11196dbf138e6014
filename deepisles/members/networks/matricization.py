"""Shifted-window matricisation: a volume as many small matrices, and back (factorizer's `SWMatricize`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

SPATIAL_AXES = (2, 3, 4)


@dataclass(frozen=True)
class ShiftedWindows:
    """Cut a volume into patches once per shift; channels and voxels of a patch span a matrix.

    A shift moves the volume cyclically before it is cut. Voxels that leave at one end come back at the other, so that
    each shift is a plain view of the volume with a margin of its own far end put in front.

    Parameters
    ----------
    channels : int
        Channels of the volume, a multiple of `head_dim`.
    spatial_size : 3-tuple of int
        Size of the volume, a multiple of `patch_size`.
    head_dim : int
        Rows of a matrix: consecutive channels.
    patch_size : 3-tuple of int
        A matrix has as many columns as a patch has voxels.
    shifts : tuple of (3-tuple of int or None)
        Voxels by which the content moves up each axis; None is no shift.
    """

    channels: int
    spatial_size: tuple[int, int, int]
    head_dim: int
    patch_size: tuple[int, int, int]
    shifts: tuple[tuple[int, int, int] | None, ...]

    def matricise(self, volume: Tensor) -> Tensor:
        """Map (B, channels, *spatial_size) to (shifts x B x heads, patches, head_dim, voxels of a patch)."""
        before = [n for n in reversed(self._margin) for n in (n, 0)]
        wrapped = functional.pad(volume, before, mode="circular")
        matrices = torch.stack([self._cut(wrapped, shift) for shift in self._cyclic_shifts])
        return matrices.reshape(-1, prod(self._grid), self.head_dim, prod(self.patch_size))

    def fold_back(self, matrices: Tensor) -> Tensor:
        """Undo `matricise`, averaging over the shifts; the result's channels are contiguous in memory."""
        heads = self.channels // self.head_dim
        per_shift = matrices.reshape(len(self.shifts), -1, heads, *self._grid, self.head_dim, *self.patch_size)
        size = [n + margin for n, margin in zip(self.spatial_size, self._margin, strict=True)]
        total = matrices.new_zeros(per_shift.shape[1], *size, self.channels).movedim(-1, 1)
        for part, shift in zip(per_shift, self._cyclic_shifts, strict=True):
            self._cut(total, shift).add_(part)
        for axis, margin in zip(SPATIAL_AXES, self._margin, strict=True):
            # what lies in the margin belongs to the far end
            end = total.shape[axis] - margin
            total.narrow(axis, end, margin).add_(total.narrow(axis, 0, margin))
            total = total.narrow(axis, margin, end)
        return total / len(self.shifts)

    @cached_property
    def _cyclic_shifts(self) -> list[tuple[int, ...]]:
        return [
            tuple(s % n for s, n in zip(shift or (0, 0, 0), self.spatial_size, strict=True)) for shift in self.shifts
        ]

    @cached_property
    def _margin(self) -> tuple[int, ...]:
        return tuple(max(steps) for steps in zip(*self._cyclic_shifts, strict=True))

    @property
    def _grid(self) -> list[int]:
        return [n // p for n, p in zip(self.spatial_size, self.patch_size, strict=True)]

    def _cut(self, wrapped: Tensor, shift: tuple[int, ...]) -> Tensor:
        """View (B, channels, *with margin) as (B, heads, *grid, head_dim, *patch_size), shifted."""
        view = wrapped
        for axis, step, margin, size in zip(SPATIAL_AXES, shift, self._margin, self.spatial_size, strict=True):
            view = view.narrow(axis, margin - step, size)
        split = [n for pair in zip(self._grid, self.patch_size, strict=True) for n in pair]
        return view.view(view.shape[0], -1, self.head_dim, *split).permute(0, 1, 3, 5, 7, 2, 4, 6, 8)
