"""Shifted-window matricisation: a volume as many small matrices, and back (factorizer's `SWMatricize`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class ShiftedWindows:
    """Cut a volume into patches once per shift; channels and voxels of a patch span a matrix.

    A shift moves the volume cyclically before it is cut. Cutting and folding back gather rows of `head_dim` channels by
    index, which is several times faster than moving and permuting the volume.

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
        """Map (B, *spatial_size, channels) to (shifts x B x heads, patches, head_dim, voxels of a patch).

        In memory a matrix lies with its rows, neighbouring channels, side by side.
        """
        sources, _ = _index(self, len(volume), volume.device)
        columns = prod(self.patch_size)
        rows = volume.reshape(-1, self.head_dim).index_select(0, sources)
        return rows.view(-1, prod(self.spatial_size) // columns, columns, self.head_dim).mT

    def fold_back(self, matrices: Tensor) -> Tensor:
        """Undo `matricise`, averaging over the shifts."""
        batch = matrices.shape[0] // (len(self.shifts) * (self.channels // self.head_dim))
        _, places = _index(self, batch, matrices.device)
        averaged = functional.embedding_bag(places, matrices.mT.reshape(-1, self.head_dim), mode="mean")
        return averaged.view(batch, *self.spatial_size, self.channels)


@lru_cache(maxsize=32)
def _index(windows: ShiftedWindows, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Tell which row of the volumes, and which rows of the matrices, each row comes from.

    Rows of volumes are counted voxel by voxel and head by head, rows of matrices as they follow each other.

    Returns
    -------
    tuple of Tensor
        The volumes' row for each row of the matrices (rows x shifts,), and the matrices' rows for each of the volumes'
        (rows, shifts).
    """
    heads = windows.channels // windows.head_dim
    size, patch = windows.spatial_size, windows.patch_size
    split = [n for pair in zip(size, patch, strict=True) for n in (pair[0] // pair[1], pair[1])]
    # they may be needed in a training after an inference
    with torch.inference_mode(False):
        rows = torch.arange(batch * prod(size) * heads, device=device).view(batch, *size, heads)
        cuts = [
            rows.roll(shift or (0, 0, 0), (1, 2, 3))
            .view(batch, *split, heads)
            .permute(0, 7, 1, 3, 5, 2, 4, 6)
            .flatten()
            for shift in windows.shifts
        ]
        places = [cut.argsort() + number * len(cut) for number, cut in enumerate(cuts)]
        return torch.cat(cuts), torch.stack(places, dim=-1)
