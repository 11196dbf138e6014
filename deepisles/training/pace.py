"""How long a training goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How long and how often.

    Parameters
    ----------
    steps : int
        Optimiser steps in all; what is over after the last whole epoch is left out.
    steps_per_epoch : int
        After each epoch the network is validated and the state saved.
    seed : int
        Source of all chance.
    loaders : int
        Processes that prepare crops beside the training; 0 for none.
    """

    steps: int = 4000
    steps_per_epoch: int = 250
    seed: int = 0
    loaders: int = 1

    @property
    def epochs(self) -> int:
        """Whole epochs, at least one."""
        return max(self.steps // self.steps_per_epoch, 1)

    @property
    def whole_steps(self) -> int:
        """Steps of the whole epochs."""
        return self.epochs * self.steps_per_epoch
