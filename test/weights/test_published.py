"""The published tree: found wherever it is, complete or refused by the name of what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from published_formats import TASK, TRAINER

from deepisles.errors import WeightsError
from deepisles.weights.published import find_published_tree, is_published_tree

CHECKPOINTS = Path("FACTORIZER/logs/an_experiment/fold3/resunet/version_0/checkpoints")


def test_order_and_names(whole_tree: Path) -> None:
    found = find_published_tree(whole_tree)
    assert found.seals is not None
    assert [fold.checkpoint.path.parent.name for fold in found.seals.folds] == [f"fold_{k}" for k in range(5)]
    assert [file.path.name for file in found.nvauto] == [f"model{k}.ts" for k in range(15)]
    assert [(checkpoint.kind, checkpoint.fold) for checkpoint in found.swan] == [
        *(("resunet", k) for k in range(5)),
        *(("swin-factorizer", k) for k in range(5)),
    ]
    assert found.nvauto[10].name == "NVAUTO/ts/model10.ts"
    assert len(found.list_files()) == 11 + 15 + 10


def test_one_folder_further_in(whole_tree: Path) -> None:
    assert find_published_tree(whole_tree.parent) == find_published_tree(whole_tree)
    assert is_published_tree(whole_tree.parent)
    assert not is_published_tree(whole_tree / "NVAUTO")
    assert not is_published_tree(whole_tree / "absent")


def test_some_members(tree: Path) -> None:
    shutil.rmtree(tree / "FACTORIZER")
    shutil.rmtree(tree / "SEALS")
    found = find_published_tree(tree)
    assert found.seals is None
    assert found.swan == ()
    assert len(found.nvauto) == 15


@pytest.mark.parametrize(
    "name",
    [
        f"{TASK}/{TRAINER}/plans.pkl",
        f"{TASK}/{TRAINER}/fold_4/model_final_checkpoint.model",
        f"{TASK}/{TRAINER}/fold_0/model_final_checkpoint.model.pkl",
        "NVAUTO/ts/model14.ts",
        "NVAUTO/ts/model3.ts",
    ],
)
def test_a_missing_file_is_named(tree: Path, name: str) -> None:
    (tree / name).unlink()
    with pytest.raises(WeightsError, match=f"lacks {name}; unpack"):
        find_published_tree(tree)


@pytest.mark.parametrize("name", ["NVAUTO/ts", TASK, f"{TASK}/{TRAINER}/fold_2", "FACTORIZER/logs", str(CHECKPOINTS)])
def test_a_missing_folder_is_named(tree: Path, name: str) -> None:
    shutil.rmtree(tree / name)
    with pytest.raises(WeightsError, match=name.split("/")[0]):
        find_published_tree(tree)


def test_two_tasks_are_refused(tree: Path) -> None:
    (tree / TASK).with_name("Task012_Other").mkdir()
    with pytest.raises(WeightsError, match=r"2 files or folders .*Task012"):
        find_published_tree(tree)


def test_other_tasks_are_left_alone(tree: Path) -> None:
    (tree / TASK).with_name("Task013_Other").mkdir()
    assert find_published_tree(tree).seals is not None


def test_two_checkpoints_are_refused(tree: Path) -> None:
    (tree / CHECKPOINTS / "epoch=2-step=4.ckpt").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"2 files or folders .*fold3/resunet"):
        find_published_tree(tree)


def test_the_latest_version_counts(tree: Path) -> None:
    old = (tree / CHECKPOINTS).parent
    for number in (2, 10):
        shutil.copytree(old, old.with_name(f"version_{number}"))
    (old.with_name("version_other")).mkdir()
    found = find_published_tree(tree)
    assert found.swan[3].file.path.parent.parent.name == "version_10"


def test_two_trees_are_refused(tree: Path) -> None:
    shutil.copytree(tree / "NVAUTO", tree.parent / "second" / "NVAUTO")
    with pytest.raises(WeightsError, match="several folders"):
        find_published_tree(tree.parent)


def test_golden_tree(golden: Path) -> None:
    assert len(find_published_tree(golden / "weights").list_files()) == 36
    assert is_published_tree(golden)
