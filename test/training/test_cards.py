"""A bundle's card follows its training records, until somebody writes in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepisles.training.cards import write_record
from deepisles.weights.writing import CARD_NAME


def make_record(member: str, dice: float) -> dict[str, Any]:
    best = {"step": 4, "dice": dice, "lesion_f1": 0.5, "false_positive_ml": 0.0}
    return {
        "member": member, "kinds": None, "data": [{"cases": 5}], "start": None, "steps": 4, "seed": 1,
        "best": {"fold0": best}, "history": {"fold0": [best]},
    }  # fmt: skip


def test_the_card_holds_the_newest_record_of_each_member(tmp_path: Path) -> None:
    for member, dice in (("seals", 0.1), ("nvauto", 0.2), ("seals", 0.3)):
        write_record(tmp_path, "mine", make_record(member, dice))
    card = (tmp_path / CARD_NAME).read_text()
    assert "0.300" in card
    assert "0.200" in card
    assert "0.100" not in card


def test_what_somebody_wrote_stays(tmp_path: Path) -> None:
    write_record(tmp_path, "mine", make_record("seals", 0.1))
    card = tmp_path / CARD_NAME
    card.write_text(f"{card.read_text()}\nTrained on the patients of our hospital, with their consent.\n")
    before = card.read_text()
    write_record(tmp_path, "mine", make_record("nvauto", 0.2))
    assert card.read_text() == before
    assert (tmp_path / "training" / "nvauto.json").is_file()
