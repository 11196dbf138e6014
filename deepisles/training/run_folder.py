"""The folder that keeps one run's state, and which run that is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepisles.errors import InputRefused
from deepisles.reports.images import write_bytes

DESCRIPTION_NAME = "run.json"


def claim_run_folder(folder: Path, run: Mapping[str, Any]) -> None:
    """Take a folder for a run: a new one, or the one where the same run was stopped.

    Parameters
    ----------
    folder : Path
        Where the run keeps its state.
    run : mapping
        All that the trained network depends on; as JSON.

    Raises
    ------
    InputRefused
        If the folder keeps another run's state, which would be gone on with.
    OutputError
        If it cannot be written.
    """
    ours = json.loads(json.dumps(run))
    path = folder / DESCRIPTION_NAME
    if not path.exists():
        write_bytes(path, f"{json.dumps(ours, indent=1)}\n".encode())
        return
    theirs = json.loads(path.read_text(encoding="utf-8"))
    differing = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if differing:
        raise InputRefused(
            f"{folder} keeps the state of a training with another {differing[0]}: give another --work, "
            f"or delete that folder to begin anew."
        )
