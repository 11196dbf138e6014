"""Training of one network: MONAI's supervised trainer with averaged weights, validation, and resuming."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from ignite.handlers import Checkpoint, DiskSaver, ProgressBar
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.optimizers import WarmupCosineSchedule
from monai.utils import set_determinism
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Sampler

from deepisles.errors import DeepIslesError
from deepisles.members.networks.specs import NetworkSpec
from deepisles.training.layout import TrainingCase
from deepisles.training.losses import make_loss
from deepisles.training.pace import Pace
from deepisles.training.patches import DataSet, PatchStream
from deepisles.training.recipes import Recipe
from deepisles.training.supervised import AutocastInferer, DeeplySupervised
from deepisles.training.validation import ValidationResult, validate
from deepisles.weights.build import build_network

logger = logging.getLogger(__name__)

WARM_UP_SHARE = 0.03
AVERAGED_STEPS = 500
"""Steps that the averaged weights look back on."""
LARGEST_GRADIENT = 12.0
"""Norm at which gradients are clipped (nnU-Net, Isensee et al. 2021)."""
STATE_PREFIX = "state"


@dataclass
class History:
    """Validation results by step, as they came."""

    entries: list[dict[str, float]]

    def state_dict(self) -> dict[str, Any]:
        """For a saved state."""
        return {"entries": self.entries}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a saved state."""
        self.entries = list(state["entries"])

    def add(self, step: int, loss: float, result: ValidationResult) -> bool:
        """Enter a result; tell whether it is the best so far."""
        best = max((entry["score"] for entry in self.entries), default=float("-inf"))
        self.entries.append({"step": step, "loss": loss, "score": result.score, **asdict(result)})
        return result.score > best


class _Numbers(Sampler[int]):
    """Crop numbers from where a run begins to where it ends."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last))

    def __len__(self) -> int:
        return self.last - self.first


def train_network(
    spec: NetworkSpec,
    recipe: Recipe,
    data_sets: Sequence[DataSet],
    validation_cases: Sequence[TrainingCase],
    folder: Path,
    cache: Path,
    pace: Pace,
    device: torch.device,
    initial: nn.Module | None = None,
) -> tuple[nn.Module, History]:
    """Train one network, or go on with it where an earlier run stopped.

    Parameters
    ----------
    spec : NetworkSpec
        What it looks like.
    recipe : Recipe
        How its member is trained.
    data_sets : sequence of DataSet
        What it is trained on.
    validation_cases : sequence of TrainingCase
        What the best network is chosen on.
    folder : Path
        Keeps the state of the run; a finished run there is not repeated.
    cache : Path
        Keeps prepared cases.
    pace : Pace
        How long.
    device : torch.device
        Where.
    initial : nn.Module, optional
        A trained network to start from.

    Returns
    -------
    nn.Module
        The averaged weights that validated best, on the CPU.
    History
        Validation by step.

    Raises
    ------
    DeepIslesError
        If the loss is not a number any more.
    """
    set_determinism(pace.seed)
    network = DeeplySupervised(build_network(spec) if initial is None else initial.requires_grad_())
    network = network.to(device=device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = WarmupCosineSchedule(optimizer, int(pace.whole_steps * WARM_UP_SHARE), pace.whole_steps)
    average = AveragedModel(network, avg_fn=follow_weights)
    history = History([])

    # the state says where to go on before the loader is made
    keep = {"network": network, "optimizer": optimizer, "schedule": schedule, "average": average}
    done = _restore(folder, keep | {"history": history})
    crops = PatchStream(data_sets, recipe, cache, pace.seed, pace.whole_steps * recipe.batch_size)
    numbers = _Numbers(done * recipe.batch_size, pace.whole_steps * recipe.batch_size)
    if not len(numbers):
        return _load_best(network, folder), history
    loader = DataLoader(crops, recipe.batch_size, sampler=numbers, num_workers=pace.loaders, drop_last=True)
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=pace.epochs,
        train_data_loader=loader,
        epoch_length=pace.steps_per_epoch,
        network=network,
        optimizer=optimizer,
        loss_function=make_loss(recipe.loss, recipe.out_channels),
        inferer=AutocastInferer(device),
        prepare_batch=_take_batch,
        decollate=False,
    )
    trainer.load_state_dict({"iteration": done, "max_epochs": pace.epochs, "epoch_length": pace.steps_per_epoch})
    losses: list[float] = []
    saver = Checkpoint(
        keep | {"history": history},
        DiskSaver(str(folder), create_dir=True, require_empty=False),
        filename_prefix=STATE_PREFIX,
        n_saved=1,
        global_step_transform=lambda *_: trainer.state.iteration,
    )

    def clip(_: object) -> None:
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)

    def follow(_: object) -> None:
        schedule.step()
        average.update_parameters(network)
        losses.append(trainer.state.output["loss"].detach().item())
        if losses[-1] != losses[-1]:
            raise DeepIslesError("The training loss is no longer a number: lower the learning rate or check the data.")

    def judge(_: object) -> None:
        smooth = average.module.eval()
        result = validate(smooth, validation_cases, recipe, cache, device)
        is_best = history.add(trainer.state.iteration, sum(losses) / max(len(losses), 1), result)
        losses.clear()
        logger.info("step %d: %s", trainer.state.iteration, history.entries[-1])
        if is_best:
            _save(smooth, folder / "best.pt")

    trainer.add_event_handler(IterationEvents.BACKWARD_COMPLETED, clip)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, follow)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, judge)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, saver)
    if sys.stderr.isatty():
        ProgressBar(persist=True, desc="training").attach(trainer, output_transform=lambda _: {"loss": losses[-1]})
    trainer.run()
    return _load_best(network, folder), history


def follow_weights(average: Tensor, newest: Tensor, count: Tensor | int) -> Tensor:
    """Move averaged weights toward the newest ones: quickly at first, later by one part in `AVERAGED_STEPS`."""
    share = max(1 / AVERAGED_STEPS, 9 / (10 + int(count)))
    return average + (newest - average) * share


def _take_batch(
    batch: dict[str, Tensor], device: torch.device, non_blocking: bool, **_: object
) -> tuple[Tensor, Tensor]:
    return batch["image"].to(device, non_blocking=non_blocking), batch["label"].to(device, non_blocking=non_blocking)


def _restore(folder: Path, keep: dict[str, Any]) -> int:
    """Load the newest saved state, if there is one; give the steps it had done."""
    saved = sorted(folder.glob(f"{STATE_PREFIX}_*.pt"), key=lambda path: int(path.stem.rpartition("_")[2]))
    if not saved:
        return 0
    state = torch.load(saved[-1], map_location="cpu", weights_only=True)
    Checkpoint.load_objects(keep, state)
    done = int(saved[-1].stem.rpartition("_")[2])
    logger.info("going on after step %d", done)
    return done


def _save(network: nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(network.state_dict(), partial)
    partial.replace(path)


def _load_best(network: DeeplySupervised, folder: Path) -> nn.Module:
    network.load_state_dict(torch.load(folder / "best.pt", map_location="cpu", weights_only=True))
    return network.network.cpu().eval()
