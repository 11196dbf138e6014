"""The model card of a bundle that was trained here, from the records of its trainings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepisles.weights.writing import CARD_NAME

RECORDS = "training"
"""Folder of the bundle that holds one record and one picture per member."""

HEAD = """# {name}

Trained with `deepisles train`. **Not the published DeepISLES weights, and not a medical device: for research use.**
Nobody but the person who trained it knows what its data allow; write their sources and licences here.
"""


def write_record(folder: Path, name: str, record: Mapping[str, Any]) -> None:
    """Write a training's record into a bundle, and the card anew.

    Parameters
    ----------
    folder : Path
        The bundle.
    name : str
        What the card calls it.
    record : mapping
        What was trained, how, and how well; `member` says which record it replaces.
    """
    (folder / RECORDS).mkdir(exist_ok=True)
    text = json.dumps(record, indent=1)
    (folder / RECORDS / f"{record['member']}.json").write_text(f"{text}\n", encoding="utf-8")
    (folder / CARD_NAME).write_text(describe_bundle(folder, name), encoding="utf-8")


def describe_bundle(folder: Path, name: str) -> str:
    """Describe a bundle by the training records in it.

    Parameters
    ----------
    folder : Path
        The bundle.
    name : str
        What to call it.
    """
    parts = [HEAD.format(name=name)]
    for path in sorted((folder / RECORDS).glob("*.json")):
        parts.append(_describe(path.stem, json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(parts)


def _describe(member: str, record: Mapping[str, Any]) -> str:
    rows = [
        f"| {name} | {entry['step']} | {entry['dice']:.3f} | {entry['lesion_f1']:.3f} "
        f"| {entry['false_positive_ml']:.2f} |"
        for name, entry in record["best"].items()
    ]
    sets = ", ".join(f"{each['cases']} cases" for each in record["data"])
    return "\n".join(
        [
            f"## {member.upper()}",
            "",
            f"Data sets: {sets}. {record['steps']} steps, seed {record['seed']}"
            + (f", from the bundle {record['start']}" if record["start"] else "")
            + f". Curves: `{RECORDS}/{member}.png`.",
            "",
            "| network | step | Dice | lesion F1 | false positives, ml (median of lesion-free cases) |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "Measured on cases held back from training, which may have chosen the step: other data will do worse.",
            "",
        ]
    )
