"""report.json: everything that is said about a case, as one versioned document.

`resources/schemas/report.schema.json` is written from these classes by `tools/write_schema.py`;
a test keeps the two equal.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from deepisles.consensus.voting import Applied
from deepisles.findings.adc_unit import AdcUnitLabel
from deepisles.findings.pattern import Pattern
from deepisles.findings.territory import Side, Territory
from deepisles.members.member import MemberName
from deepisles.options import Profile

SCHEMA_VERSION: Final = "1.0"
CONNECTIVITY: Final = 26
"""Voxels that share a face, an edge or a corner are one lesion (ISLES'22 evaluation: full 3 x 3 x 3 connectivity)."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BoundingBox(_Model):
    """Voxel indices (x, y, z) of a lesion's first voxels and one past its last."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]


class LesionReport(_Model):
    """One lesion; labels run from 1, largest first."""

    label: int = Field(ge=1)
    volume_ml: float = Field(ge=0)
    centroid_mm: tuple[float, float, float] = Field(description="LPS millimetres (x, y, z)")
    bounding_box: BoundingBox
    slices: tuple[int, ...] = Field(description="indices along z of the slices that the lesion touches")
    mean_probability: float = Field(ge=0, le=1)
    votes: dict[str, float] = Field(description="per member: share of the lesion's voxels that it calls lesion, 0 to 1")
    mean_dwi: float = Field(description="in the DWI's own units")
    mean_adc: float = Field(description="in the ADC file's own units")
    mean_adc_1e6_mm2_s: float = Field(description="in 1e-6 mm2/s, the unit of the file being inferred from its values")


class SideLoadsReport(_Model):
    """Lesion volume in a territory, left and right, in ml."""

    left: float = Field(ge=0)
    right: float = Field(ge=0)


class MniRegistrationReport(_Model):
    """How well the brain was laid on the MNI152 template."""

    image: Literal["dwi", "flair"] = Field(description="the image that was registered")
    overlap: float = Field(ge=0, le=1, description="Dice of the brain and the template's, in the field of view")
    mutual_information: float = Field(description="of the image and the template inside both, in nats")


class AtlasReport(_Model):
    """The atlas of arterial territories."""

    name: str
    sha256: str


class TerritoryReport(_Model):
    """In which artery's territory the lesions lie."""

    status: Literal["assessed", "uncertain", "not-assessed"]
    reason: str | None = Field(default=None, description="why it is uncertain or was not assessed")
    name: Territory | None = Field(default=None, description="the territory with the largest load, both sides together")
    side: Side | None = Field(default=None, description="the side that has more of it")
    loads_ml: dict[Territory, SideLoadsReport] | None = Field(
        default=None, description="lesion volume per territory and side"
    )
    outside_ml: float | None = Field(default=None, description="lesion volume in no territory")
    registration: MniRegistrationReport | None = Field(default=None, description="null: none was needed")
    atlas: AtlasReport | None = Field(default=None, description="null: none is installed, or it was not asked for")


class BrainExtractionReport(_Model):
    """How the images came to show the brain alone."""

    status: Literal["not-needed", "done", "off"] = Field(description="not-needed: no image showed more than the brain")
    method: str | None = Field(default=None, description="name and version of the extractor")
    source: Literal["dwi", "flair"] | None = Field(default=None, description="the image that the brain was found on")
    images: tuple[Literal["dwi", "adc", "flair"], ...] = Field(
        default=(), description="the images whose voxels outside the brain were set to 0"
    )
    brain_volume_ml: float | None = Field(default=None, description="volume of brain_mask.nii.gz")
    seconds: float | None = None


class MemberReport(_Model):
    """What became of one member of the ensemble."""

    name: MemberName
    status: Literal["ran", "failed", "not-run"]
    reason: str | None = Field(default=None, description="why it failed or did not run")
    volume_ml: float | None = None
    seconds: float | None = None
    weights_digest: str | None = None
    networks: int | None = None


class ConsensusReport(_Model):
    """How the members' answers became one mask."""

    rule: Applied
    description: str
    members: tuple[str, ...] = Field(description="the members whose answers the mask is made from")
    weights: dict[str, float]


class GridReport(_Model):
    """Geometry of the DWI, which is the mask's."""

    size: tuple[int, int, int] = Field(description="voxels (x, y, z)")
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...] = Field(min_length=9, max_length=9)


class DicomImageReport(_Model):
    """Where an image came from in DICOM."""

    image: Literal["dwi", "adc", "flair"]
    series_number: int | None = Field(description="of the series it was taken from; of a computed ADC, the DWI's")
    source: Literal["volume", "geometric-mean", "b0-and-dwi"] = Field(
        description="volume: as stored; geometric-mean: trace made of directions; b0-and-dwi: ADC made of two b-values"
    )
    chosen_by: Literal["rule", "user"]
    reason: str = Field(description="the rule that told what the series shows")
    b_value_s_mm2: float | None = Field(default=None, description="of the DWI")
    low_b_value_s_mm2: float | None = Field(default=None, description="of the image that a computed ADC starts from")
    directions: int | None = Field(default=None, description="volumes that a trace was made of")


class DicomVolumeReport(_Model):
    """A volume that was not taken; its series' own description, free text, is not repeated."""

    series_number: int | None
    taken_for: str
    reason: str


class DicomReport(_Model):
    """What was picked from DICOM and why."""

    images: tuple[DicomImageReport, ...]
    not_taken: tuple[DicomVolumeReport, ...]
    other_files: int = Field(ge=0, description="files that are not DICOM images, and were ignored")
    unreadable_files: int = Field(ge=0, description="DICOM files that are damaged, and were left out")
    converter: str


class InputsReport(_Model):
    """What came in. No file names from the caller, no patient data."""

    grid: GridReport
    modalities: tuple[Literal["dwi", "adc", "flair"], ...]
    adc_unit: AdcUnitLabel
    checks: tuple[str, ...]
    registration: Literal["elastix", "rigid", "none", "not-needed"]
    dicom: DicomReport | None = Field(default=None, description="null: no image came as DICOM")


class DicomOutputReport(_Model):
    """What DICOM was written. No UIDs: they lead to the patient."""

    series: Literal["source", "derived"] = Field(
        description="what the segmentation lies on: the DWI's own series, or one that was made of it"
    )
    segments: int = Field(ge=0, description="one per lesion; without lesion there is no segmentation")
    files: tuple[str, ...] = Field(description="in the output folder")


class WeightsReport(_Model):
    """The bundle the networks came from."""

    bundle: str
    digest: str


class SoftwareReport(_Model):
    """What ran."""

    name: Literal["deepisles"] = "deepisles"
    version: str
    revision: str | None
    torch: str
    device: str
    profile: Profile


class Report(_Model):
    """The whole report of one case."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    verdict: Literal["lesion", "no-lesion"]
    lesion_volume_ml: float = Field(ge=0)
    lesion_count: int = Field(ge=0)
    connectivity: Literal[26] = CONNECTIVITY
    lesions: tuple[LesionReport, ...]
    pattern: Pattern | None = Field(default=None, description="stroke pattern; null: not assessed")
    territory: TerritoryReport = TerritoryReport(status="not-assessed", reason="not recorded")
    members: tuple[MemberReport, ...]
    consensus: ConsensusReport
    degraded: bool
    degraded_reason: str | None
    warnings: tuple[str, ...]
    inputs: InputsReport
    brain_extraction: BrainExtractionReport | None = Field(default=None, description="null: not recorded")
    dicom_output: DicomOutputReport | None = Field(default=None, description="null: none was asked for")
    weights: WeightsReport
    software: SoftwareReport
    timing_seconds: dict[str, float]
    notice: str
