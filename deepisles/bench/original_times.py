"""The original's own times, as its reference timings tell them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepisles.errors import InputRefused


def read_original_seconds(path: Path) -> dict[str, tuple[float, str]]:
    """Read the original's times per member: seconds, and whether they are wall or CPU seconds.

    Raises
    ------
    InputRefused
        If the file is not in the form of the reference timings.
    """
    try:
        told: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        swan = told["swan"]["cpu_s"]
        return {
            "seals": (float(told["seals"]["total_wall_s"]), "wall"),
            "nvauto": (float(told["nvauto"]["total_wall_s"]), "wall"),
            "swan": (float(swan["inference_10_networks_18_windows"]), "CPU"),
            "register": (float(swan["registration_elastix"]), "CPU"),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputRefused(f"{path} does not hold the original's times: give its timings.json.") from error
