"""Finds its way in the published weights: a folder with SEALS/, NVAUTO/ and FACTORIZER/ as DeepISLES lays it out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepisles.errors import WeightsError

SEALS, NVAUTO, SWAN = "SEALS", "NVAUTO", "FACTORIZER"
FOLDS = 5
"""Of SEALS and of both of SWAN's networks; DeepISLES runs all."""
NVAUTO_MODELS = 15
SEALS_MODELS = Path(SEALS, "nnUNet_trained_models", "nnUNet", "3d_fullres")
SEALS_TASK = "Task012"
SEALS_TRAINER = "nnUNetTrainerV2_DDP__nnUNetPlansv2.1"
SWAN_KINDS = ("resunet", "swin-factorizer")
"""SWAN's networks in the order they are averaged: all folds of one, then of the other."""


@dataclass(frozen=True)
class SourceFile:
    """A file of the published tree.

    Parameters
    ----------
    path : Path
        Where it is.
    name : str
        Its path inside the tree, which stands in errors and in bundle.json.
    """

    path: Path
    name: str

    def read(self) -> bytes:
        """Read the whole file.

        Raises
        ------
        WeightsError
            If it cannot be read.
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise WeightsError(f"{self.name} cannot be read; check the weights' permissions and disk.") from error

    def find_digest(self) -> str:
        """Find its sha256.

        Raises
        ------
        WeightsError
            If it cannot be read.
        """
        try:
            with self.path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise WeightsError(f"{self.name} cannot be read; check the weights' permissions and disk.") from error


@dataclass(frozen=True)
class SealsFold:
    """One fold of SEALS: tensors and plans."""

    checkpoint: SourceFile
    plans: SourceFile


@dataclass(frozen=True)
class SealsFiles:
    """SEALS, folds in order."""

    plans: SourceFile
    folds: tuple[SealsFold, ...]


@dataclass(frozen=True)
class SwanCheckpoint:
    """One of SWAN's networks."""

    kind: str
    fold: int
    file: SourceFile


@dataclass(frozen=True)
class PublishedTree:
    """The files of the members that a tree has; None and empty for the others."""

    seals: SealsFiles | None
    nvauto: tuple[SourceFile, ...]
    swan: tuple[SwanCheckpoint, ...]

    def list_files(self) -> list[SourceFile]:
        """List every file that an import reads."""
        seals = [*(file for fold in self.seals.folds for file in (fold.checkpoint, fold.plans))] if self.seals else []
        if self.seals:
            seals.append(self.seals.plans)
        return [*seals, *self.nvauto, *(checkpoint.file for checkpoint in self.swan)]


def is_published_tree(folder: Path) -> bool:
    """Tell whether a folder is a published tree, or has one directly inside."""
    return bool(_list_roots(folder))


def find_published_tree(folder: Path) -> PublishedTree:
    """Find the files of a published tree.

    Parameters
    ----------
    folder : Path
        The folder with SEALS/, NVAUTO/, FACTORIZER/ or some of them, or one that has such a folder directly inside.

    Raises
    ------
    WeightsError
        If it is none, or a member in it is incomplete.
    """
    roots = _list_roots(folder)
    if len(roots) != 1:
        what = "several folders" if roots else "no folder"
        raise WeightsError(
            f"{folder} has {what} with {SEALS}, {NVAUTO} or {SWAN} in it; give the folder that holds these three."
        )
    root = roots[0]
    return PublishedTree(
        seals=_find_seals(root) if (root / SEALS).is_dir() else None,
        nvauto=_find_nvauto(root) if (root / NVAUTO).is_dir() else (),
        swan=tuple(_find_swan(root)) if (root / SWAN).is_dir() else (),
    )


def _list_roots(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    roots = [path for path in candidates if any((path / name).is_dir() for name in (SEALS, NVAUTO, SWAN))]
    return [folder] if folder in roots else roots


def _find_seals(root: Path) -> SealsFiles:
    models = root / SEALS_MODELS
    task = _find_only(models, f"{SEALS_TASK}*/", root)
    trainer = task / SEALS_TRAINER
    folds = []
    for fold in range(FOLDS):
        checkpoint = trainer / f"fold_{fold}" / "model_final_checkpoint.model"
        plans = checkpoint.with_name(f"{checkpoint.name}.pkl")
        folds.append(SealsFold(_find_file(checkpoint, root), _find_file(plans, root)))
    return SealsFiles(_find_file(trainer / "plans.pkl", root), tuple(folds))


def _find_nvauto(root: Path) -> tuple[SourceFile, ...]:
    return tuple(_find_file(root / NVAUTO / "ts" / f"model{number}.ts", root) for number in range(NVAUTO_MODELS))


def _find_swan(root: Path) -> Iterator[SwanCheckpoint]:
    experiment = _find_only(root / SWAN / "logs", "*/", root)
    for kind in SWAN_KINDS:
        for fold in range(FOLDS):
            network = experiment / f"fold{fold}" / kind
            versions = [path for path in network.glob("version_*") if re.fullmatch(r"version_\d+", path.name)]
            # Lightning counts up with every training run
            latest = max(versions, key=lambda path: int(path.name.split("_")[1]), default=network / "version_0")
            checkpoint = _find_only(latest / "checkpoints", "*.ckpt", root)
            yield SwanCheckpoint(kind, fold, _find_file(checkpoint, root))


def _find_only(folder: Path, pattern: str, root: Path) -> Path:
    found = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    if len(found) != 1:
        name = (folder / pattern).relative_to(root).as_posix()
        problem = f"has {len(found)} files or folders {name} where one is needed" if found else f"lacks {name}"
        raise WeightsError(f"The published weights folder {problem}; unpack the weights again.")
    return found[0]


def _find_file(path: Path, root: Path) -> SourceFile:
    name = path.relative_to(root).as_posix()
    if not path.is_file():
        raise WeightsError(f"The published weights folder lacks {name}; unpack the weights again.")
    return SourceFile(path, name)
