"""Who made a DICOM file, in the elements that the standard has for it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

import highdicom as hd
from pydicom.uid import generate_uid

from deepisles import __version__
from deepisles.reports.dicom.terms import ARTIFICIAL_INTELLIGENCE
from deepisles.reports.report import Report

MANUFACTURER: Final = "deepisles"
MODEL: Final = "DeepISLES"
SERIAL_LENGTH: Final = 16
NUMBER_FACTOR: Final = 1000
"""The series that belong to series 3 are 3001, 3002 and so on, so that viewers list them behind it."""
MAX_NUMBER: Final = 2**31 - 1
"""Of an integer string (PS3.5 6.2)."""


@dataclass(frozen=True)
class Origin:
    """The program, its weights and its rule.

    Parameters
    ----------
    version, revision : str
        Of the program; the git revision is "" where it is not known.
    weights, weights_digest : str
        The bundle.
    rule : str
        How the members' answers became one mask.
    """

    version: str = __version__
    revision: str = ""
    weights: str = "none"
    weights_digest: str = "none"
    rule: str = "none"

    @classmethod
    def of(cls, report: Report) -> Origin:
        """Take what the report says."""
        software, weights = report.software, report.weights
        return cls(
            software.version, software.revision or "", weights.bundle, weights.digest, report.consensus.description
        )

    @property
    def serial_number(self) -> str:
        """What tells two of this device apart: the weights."""
        return self.weights_digest[:SERIAL_LENGTH]

    @property
    def device_uid(self) -> str:
        """The same for the same weights and version (PS3.5 B.2)."""
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{MODEL} {self.version} {self.weights_digest}').int}"

    def make_series(self, base_number: int | None, offset: int, description: str) -> dict[str, Any]:
        """Make the series, equipment and instance elements that every file of one instance has."""
        number = NUMBER_FACTOR * base_number + offset if base_number is not None and base_number > 0 else offset
        return {
            "series_instance_uid": make_uid(),
            "series_number": number if number <= MAX_NUMBER else offset,
            "series_description": description,
            "sop_instance_uid": make_uid(),
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": MODEL,
            "software_versions": tuple(filter(None, (self.version, self.revision))),
            "device_serial_number": self.serial_number,
            # the standard's own word for what is no product (0018,9004)
            "content_qualification": hd.ContentQualificationValues.RESEARCH,
        }

    def identify_algorithm(self) -> hd.AlgorithmIdentificationSequence:
        """Name the algorithm, its version and what it ran with."""
        return hd.AlgorithmIdentificationSequence(
            name=MODEL,
            family=ARTIFICIAL_INTELLIGENCE,
            version=self.version,
            source=MANUFACTURER,
            parameters={"weights": self.weights, "weights digest": self.weights_digest, "rule": self.rule},
        )


def make_uid() -> str:
    """Make a new UID from a random UUID, which needs no root of one's own (PS3.5 B.2)."""
    return str(generate_uid(prefix=None))
