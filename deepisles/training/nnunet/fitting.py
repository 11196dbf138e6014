"""Training of one fold by nnU-Net's own trainer; runs where its folders are in the environment."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint
from torch.backends import cudnn

from deepisles.training.nnunet.folders import CHECKPOINT, CONFIGURATION, DATASET, PLANS, TRAINER
from deepisles.training.nnunet.orders import TrainOrder

VALIDATION_SHARE = 5
"""nnU-Net validates on 50 batches after every 250 that it trains on."""


def train_fold(order: TrainOrder) -> None:
    """Train a fold, from its last saved state if there is one, and predict its validation cases."""
    random.seed(order.seed)
    np.random.seed(order.seed)
    torch.manual_seed(order.seed)
    device = torch.device(order.device)
    if device.type == "cuda":
        # as nnU-Net's command does
        torch.set_num_threads(1)
        cudnn.benchmark = True
    trainer = get_trainer_from_args(
        DATASET, CONFIGURATION, order.fold, TRAINER, PLANS, continue_training=True, device=device
    )
    trainer.num_epochs = order.epochs
    trainer.num_iterations_per_epoch = order.iterations
    trainer.num_val_iterations_per_epoch = max(order.iterations // VALIDATION_SHARE, 1)
    trainer.save_every = 1
    if order.learning_rate is not None:
        trainer.initial_lr = order.learning_rate
    save = trainer.save_checkpoint

    def save_whole(name: str) -> None:
        # nnU-Net writes in place; a kill while it does would leave a state that cannot be read
        partial = Path(f"{name}.partial")
        save(str(partial))
        partial.replace(name)

    trainer.save_checkpoint = save_whole
    maybe_load_checkpoint(trainer, continue_training=True, validation_only=False)
    folder = Path(trainer.output_folder)
    summary = folder / "validation" / "summary.json"
    if trainer.current_epoch < trainer.num_epochs:
        summary.unlink(missing_ok=True)
        if (folder / CHECKPOINT).exists():
            # more epochs are wanted than before; nnU-Net goes on from a final state before any later one
            (folder / CHECKPOINT).replace(folder / "checkpoint_latest.pth")
        trainer.run_training()
    if not summary.exists():
        trainer.perform_actual_validation()
