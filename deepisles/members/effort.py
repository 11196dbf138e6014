"""How much of a member's work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Effort:
    """How much of a member's work a case gets; each limit can only take work away, and none is the original's work.

    Parameters
    ----------
    networks : int, optional
        At most so many of the member's networks.
    mirror_axes : tuple of int, optional
        Of the axes that its test-time mirroring flips, these only; () for none.
    overlap : float, optional
        At most this overlap of neighbouring windows, as a share of the window.
    bfloat16 : bool
        Whether a CPU that has bfloat16 may compute with it.
    """

    networks: int | None = None
    mirror_axes: tuple[int, ...] | None = None
    overlap: float | None = None
    bfloat16: bool = False

    def choose_networks(self, networks: Sequence[nn.Module]) -> list[nn.Module]:
        """Choose networks evenly spaced, so that every kind of network of a mixed member is among them."""
        count = len(networks) if self.networks is None else min(self.networks, len(networks))
        return [networks[number * len(networks) // count] for number in range(count)]

    def limit_axes(self, axes: Sequence[int]) -> tuple[int, ...]:
        """Limit the axes that mirroring flips."""
        return tuple(axis for axis in axes if self.mirror_axes is None or axis in self.mirror_axes)

    def limit_overlap(self, overlap: float) -> float:
        """Limit the overlap of windows."""
        return overlap if self.overlap is None else min(self.overlap, overlap)


FULL = Effort()
"""All of the original's work."""
