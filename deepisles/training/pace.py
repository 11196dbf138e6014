"""How long a training goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How long and how often.

    Parameters
    ----------
    steps : int
        Optimiser steps in all.
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
