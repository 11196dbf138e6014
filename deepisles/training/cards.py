"""The model card of a bundle that was trained here, from the records of its trainings."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from deepisles.weights.writing import CARD_NAME

logger = logging.getLogger(__name__)

RECORDS = "training"
"""Folder of the bundle that holds one record and one picture per member."""

HEAD = """# {name}

Trained with `deepisles train`. **Not the published DeepISLES weights, and not a medical device: for research use.**
Nobody but the person who trained it knows what its data allow; write their sources and licences here.
"""


def write_record(folder: Path, name: str, record: Mapping[str, Any]) -> str:
    """Write a training's record into a bundle, and the card anew, unless somebody has written in it.

    The record of a whole member replaces all of that member's; that of some kinds of network has a name of its own.

    Parameters
    ----------
    folder : Path
        The bundle.
    name : str
        What the card calls it.
    record : mapping
        What was trained, how, and how well; `member` and `kinds` say which record it replaces.

    Returns
    -------
    str
        The record's name, without its ending.
    """
    records, card = folder / RECORDS, folder / CARD_NAME
    records.mkdir(exist_ok=True)
    written = card.read_text(encoding="utf-8") if card.is_file() else ""
    is_generated = written in ("", describe_bundle(folder, name))
    member, kinds = record["member"], record.get("kinds") or ()
    title = "-".join([member, *(kind.removesuffix("_fold") for kind in kinds)])
    outdated = [member] if kinds else [member, f"{member}-*"]
    for stem, ending in product(outdated, (".json", ".png")):
        for path in records.glob(stem + ending):
            path.unlink()
    (records / f"{title}.json").write_text(f"{json.dumps(record, indent=1)}\n", encoding="utf-8")
    if is_generated:
        card.write_text(describe_bundle(folder, name), encoding="utf-8")
    else:
        logger.warning("somebody wrote in %s, so that it stays: add what %s/%s.json says", card.name, RECORDS, title)
    return title


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


def _describe(title: str, record: Mapping[str, Any]) -> str:
    rows = [
        f"| {name} | {entry['step']} | {entry['dice']:.3f} | {entry['lesion_f1']:.3f} "
        f"| {entry['false_positive_ml']:.2f} |"
        for name, entry in record["best"].items()
    ]
    sets = ", ".join(f"{each['cases']} cases" for each in record["data"])
    return "\n".join(
        [
            f"## {title.upper()}",
            "",
            f"Data sets: {sets}. {record['steps']} steps, seed {record['seed']}"
            + (f", from the bundle {record['start']}" if record["start"] else "")
            + f". Curves: `{RECORDS}/{title}.png`.",
            "",
            "| network | step | Dice | lesion F1 | false positives, ml (median of lesion-free cases) |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "Measured on cases held back from training, which may have chosen the step: other data will do worse.",
            "",
        ]
    )
