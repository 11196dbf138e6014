"""What the child process that runs nnU-Net is told to do; goes to it as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class PlanOrder:
    """Take the data set's fingerprint, plan and preprocess.

    Parameters
    ----------
    processes : int
        Processes to share the work.
    """

    processes: int
    task: Literal["plan"] = "plan"


@dataclass(frozen=True)
class TrainOrder:
    """Train one fold, or go on with it, and predict its validation cases.

    Parameters
    ----------
    fold : int
        Which.
    epochs, iterations : int
        How many epochs, and optimiser steps in each.
    seed : int
        Of the initial weights.
    learning_rate : float or None
        Instead of nnU-Net's 0.01.
    device : str
        "cpu" or "cuda", which is then the only device that the child sees.
    """

    fold: int
    epochs: int
    iterations: int
    seed: int
    learning_rate: float | None
    device: Literal["cpu", "cuda"]
    task: Literal["train"] = "train"


Order = PlanOrder | TrainOrder


def write_order(order: Order) -> str:
    """Write an order as one line."""
    return json.dumps(asdict(order))


def read_order(line: str) -> Order:
    """Read what `write_order` wrote."""
    content = json.loads(line)
    return PlanOrder(**content) if content["task"] == "plan" else TrainOrder(**content)
