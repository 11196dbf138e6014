"""What is to be measured, in a form that a child process can be handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepisles.case.files import CaseFiles
from deepisles.options import SegmentOptions


@dataclass(frozen=True)
class BenchRequest:
    """A case, how it is to be segmented, and on how many CPU threads.

    Of the options those that change the time of the members count; the rest are the defaults.
    """

    files: CaseFiles
    options: SegmentOptions
    threads: int

    def to_json(self) -> dict[str, Any]:
        """Turn it into what JSON can hold; paths become absolute."""
        paths = {"dwi": self.files.dwi, "adc": self.files.adc, "flair": self.files.flair}
        return {
            **{name: None if path is None else str(path.absolute()) for name, path in paths.items()},
            "weights": None if self.options.weights is None else str(self.options.weights.absolute()),
            "members": self.options.members,
            "device": self.options.device,
            "profile": self.options.profile,
            "registration": self.options.registration,
            "brain_extraction": self.options.brain_extraction,
            "territory": self.options.territory,
            "threads": self.threads,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> BenchRequest:
        """Undo `to_json`."""
        members = told["members"]
        options = SegmentOptions(
            weights=_to_path(told["weights"]),
            members=None if members is None else tuple(members),
            device=told["device"],
            profile=told["profile"],
            registration=told["registration"],
            brain_extraction=told["brain_extraction"],
            territory=told["territory"],
        )
        files = CaseFiles(Path(told["dwi"]), Path(told["adc"]), _to_path(told["flair"]))
        return cls(files, options, told["threads"])


def count_threads() -> int:
    """Count the CPU threads that a case gets: what torch takes, and no more than this process is given."""
    import torch

    from deepisles.cpu_count import count_cpus

    return min(torch.get_num_threads(), count_cpus())


def _to_path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
