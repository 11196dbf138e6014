"""report.json's content, from what a case's stages found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from deepisles import __version__
from deepisles.case.case import Case
from deepisles.case.dicom.record import DicomRecord
from deepisles.case.volume import Grid
from deepisles.consensus.voting import ENSEMBLE, Consensus
from deepisles.findings.adc_unit import AdcUnit, recognise_adc_unit
from deepisles.findings.lesions import Lesion, measure_volume_ml
from deepisles.findings.pattern import classify_pattern
from deepisles.members.member import MemberRun
from deepisles.mni_stage import MniFindings
from deepisles.options import Profile
from deepisles.preparation.brain_extraction import BrainExtraction
from deepisles.preparation.prepared import PreparedCase
from deepisles.preparation.registration import AppliedRegistration
from deepisles.reports.report import (
    AtlasReport,
    BoundingBox,
    BrainExtractionReport,
    ConsensusReport,
    DicomImageReport,
    DicomReport,
    DicomVolumeReport,
    GridReport,
    InputsReport,
    LesionReport,
    MemberReport,
    MniRegistrationReport,
    Report,
    SideLoadsReport,
    SoftwareReport,
    TerritoryReport,
    WeightsReport,
)
from deepisles.software import find_revision

NOTICE = "For research use. Not a medical device."
RULES = {
    "majority": "a voxel is lesion where more than half of the members' votes say so (two of three)",
    "mean-probability": "a voxel is lesion where the mean probability of the members that ran is above one half",
    "single-member": "the mask is that of one member alone",
}


@dataclass(frozen=True)
class CaseRecord:
    """Everything that a report is made from."""

    case: Case
    images: PreparedCase
    brain: BrainExtraction
    warnings: tuple[str, ...]
    runs: tuple[MemberRun, ...]
    consensus: Consensus
    lesions: tuple[Lesion, ...]
    volume_ml: float
    registration: AppliedRegistration
    profile: Profile
    mni: MniFindings
    weights: WeightsReport
    device: str
    seconds: dict[str, float]
    dicom: DicomRecord | None = None


def build_report(record: CaseRecord) -> Report:
    """Write down a case; arrays stay out, numbers and sentences go in."""
    unit = recognise_adc_unit(record.images.adc.array)
    reason = explain_degradation(record)
    return Report(
        verdict="lesion" if record.lesions else "no-lesion",
        lesion_volume_ml=record.volume_ml,
        lesion_count=len(record.lesions),
        lesions=tuple(_report_lesion(lesion, unit) for lesion in record.lesions),
        pattern=classify_pattern([lesion.volume_ml for lesion in record.lesions]),
        territory=_report_territory(record.mni),
        members=tuple(_report_member(run, record.images.grid) for run in record.runs),
        consensus=ConsensusReport(
            rule=record.consensus.applied,
            description=RULES[record.consensus.applied],
            members=record.consensus.decided_by,
            weights=record.consensus.weights,
        ),
        degraded=reason is not None,
        degraded_reason=reason,
        warnings=record.warnings,
        inputs=_report_inputs(record, unit),
        brain_extraction=_report_brain(record.brain),
        weights=record.weights,
        software=SoftwareReport(
            version=__version__,
            revision=find_revision(),
            torch=torch.__version__,
            device=record.device,
            profile=record.profile,
        ),
        timing_seconds={stage: round(seconds, 3) for stage, seconds in record.seconds.items()},
        notice=NOTICE,
    )


def explain_degradation(record: CaseRecord) -> str | None:
    """Say which members that were wanted did not answer, and what was done about it; None if all did."""
    silent = [run for run in record.runs if run.status != "ran"]
    if not silent:
        return None
    ordered = sorted(silent, key=lambda run: ENSEMBLE.index(run.name))
    reasons = "; ".join(f"{run.name.upper()}: {(run.reason or '').rstrip('.')}" for run in ordered)
    deciders = ", ".join(name.upper() for name in record.consensus.decided_by)
    return f"not every member answered ({reasons}); the mask is made from {deciders}"


def _report_lesion(lesion: Lesion, unit: AdcUnit) -> LesionReport:
    return LesionReport(
        label=lesion.label,
        volume_ml=lesion.volume_ml,
        centroid_mm=lesion.centroid_mm,
        bounding_box=BoundingBox(start=lesion.start, stop=lesion.stop),
        slices=lesion.slices,
        mean_probability=lesion.mean_probability,
        votes=lesion.votes,
        mean_dwi=lesion.mean_dwi,
        mean_adc=lesion.mean_adc,
        mean_adc_1e6_mm2_s=lesion.mean_adc * unit.to_1e6_mm2_s,
    )


def _report_territory(found: MniFindings) -> TerritoryReport:
    loads, aligned = found.loads, found.alignment
    name, side = (loads.largest if loads else None) or (None, None)
    loads_ml, registration, atlas = None, None, None
    if loads is not None:
        loads_ml = {key: SideLoadsReport(left=both.left, right=both.right) for key, both in loads.loads_ml.items()}
    if aligned is not None:
        registration = MniRegistrationReport(
            image=aligned.image, overlap=aligned.overlap, mutual_information=aligned.mutual_information
        )
    if found.atlas is not None:
        atlas = AtlasReport(name=found.atlas.name, sha256=found.atlas.sha256)
    return TerritoryReport(
        status=found.status,
        reason=found.reason,
        name=name,
        side=side,
        loads_ml=loads_ml,
        outside_ml=None if loads is None else loads.outside_ml,
        registration=registration,
        atlas=atlas,
    )


def _report_member(run: MemberRun, grid: Grid) -> MemberReport:
    return MemberReport(
        name=run.name,
        status=run.status,
        reason=run.reason,
        volume_ml=None if run.prediction is None else measure_volume_ml(run.prediction.mask, grid),
        seconds=None if run.seconds is None else round(run.seconds, 3),
        weights_digest=run.weights_digest,
        networks=run.networks,
    )


def _report_inputs(record: CaseRecord, unit: AdcUnit) -> InputsReport:
    grid = record.images.grid
    x, y, z = grid.shape[::-1]
    registration: Literal["elastix", "rigid", "none", "not-needed"] = "not-needed"
    if record.case.flair is not None:
        registration = record.registration
    return InputsReport(
        grid=GridReport(size=(x, y, z), spacing_mm=grid.spacing_mm, origin_mm=grid.origin_mm, direction=grid.direction),
        modalities=("dwi", "adc") if record.case.flair is None else ("dwi", "adc", "flair"),
        adc_unit=unit.label,
        checks=record.case.checks,
        registration=registration,
        dicom=None if record.dicom is None else _report_dicom(record.dicom),
    )


def _report_dicom(told: DicomRecord) -> DicomReport:
    return DicomReport(
        images=tuple(
            DicomImageReport(
                image=image.role,
                series_number=image.series_number,
                source=image.how,
                chosen_by=image.chosen_by,
                reason=image.reason,
                b_value_s_mm2=image.b_value_s_mm2,
                low_b_value_s_mm2=image.low_b_value_s_mm2,
                directions=image.directions,
            )
            for image in told.images
        ),
        not_taken=tuple(
            DicomVolumeReport(series_number=other.series_number, taken_for=other.description, reason=other.reason)
            for other in told.not_taken
        ),
        other_files=told.other_files,
        unreadable_files=told.unreadable_files,
        converter=told.converter,
    )


def _report_brain(brain: BrainExtraction) -> BrainExtractionReport:
    return BrainExtractionReport(
        status=brain.status,
        method=brain.method,
        source=brain.source,
        images=brain.applied_to,
        brain_volume_ml=brain.volume_ml,
        seconds=None if brain.seconds is None else round(brain.seconds, 3),
    )
