"""A report with something in every field, and one of a case without a lesion."""

from __future__ import annotations

import pytest

from deepisles.reports.report import (
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
    Report,
    SoftwareReport,
    WeightsReport,
)


@pytest.fixture(scope="session")
def lesion_report() -> Report:
    """Two lesions, SWAN failed, one warning."""
    return Report(
        verdict="lesion",
        lesion_volume_ml=9.36,
        lesion_count=2,
        lesions=(
            LesionReport(
                label=1,
                volume_ml=8.148,
                centroid_mm=(43.12, -5.04, 16.0),
                bounding_box=BoundingBox(start=(50, 40, 22), stop=(62, 55, 33)),
                slices=(22, 23, 24, 27, 29, 30),
                mean_probability=0.871,
                votes={"seals": 0.95, "nvauto": 0.88},
                mean_dwi=512.4,
                mean_adc=0.512,
                mean_adc_1e6_mm2_s=512.0,
            ),
            LesionReport(
                label=2,
                volume_ml=1.212,
                centroid_mm=(-24.0, 50.5, -12.25),
                bounding_box=BoundingBox(start=(20, 20, 24), stop=(26, 26, 28)),
                slices=(24, 25, 26, 27),
                mean_probability=0.644,
                votes={"seals": 0.71, "nvauto": 0.6},
                mean_dwi=433.0,
                mean_adc=0.603,
                mean_adc_1e6_mm2_s=603.0,
            ),
        ),
        members=(
            MemberReport(
                name="seals", status="ran", volume_ml=9.81, seconds=12.34, weights_digest="a1" * 32, networks=5
            ),
            MemberReport(
                name="nvauto", status="ran", volume_ml=8.77, seconds=45.6, weights_digest="b2" * 32, networks=15
            ),
            MemberReport(name="swan", status="failed", reason="registering FLAIR to DWI failed"),
        ),
        consensus=ConsensusReport(
            rule="mean-probability",
            description="a voxel is lesion where the mean probability of the members that ran is above one half",
            members=("seals", "nvauto"),
            weights={"seals": 1.0, "nvauto": 2.5},
        ),
        degraded=True,
        degraded_reason="not every member answered (SWAN: registering FLAIR to DWI failed)",
        warnings=("the ADC map lies on another grid than the DWI and was resampled onto it",),
        inputs=InputsReport(
            grid=GridReport(
                size=(80, 96, 46),
                spacing_mm=(2.0, 2.0, 3.0),
                origin_mm=(-47.2, 141.1, -32.6),
                direction=(0.97, -0.242, 0.0, -0.234, -0.937, -0.259, -0.063, -0.251, 0.966),
            ),
            modalities=("dwi", "adc", "flair"),
            adc_unit="1e-3 mm2/s",
            checks=("three dimensions", "finite values"),
            registration="elastix",
            dicom=DicomReport(
                images=(
                    DicomImageReport(
                        image="dwi",
                        series_number=5,
                        source="geometric-mean",
                        chosen_by="rule",
                        reason="a gradient direction is stored",
                        b_value_s_mm2=1000,
                        directions=3,
                    ),
                    DicomImageReport(
                        image="adc",
                        series_number=None,
                        source="b0-and-dwi",
                        chosen_by="user",
                        reason="",
                        b_value_s_mm2=1000,
                        low_b_value_s_mm2=0,
                    ),
                ),
                not_taken=(DicomVolumeReport(series_number=1, taken_for="other", reason="a localizer"),),
                other_files=2,
                unreadable_files=0,
                converter="dcm2niix 1",
            ),
        ),
        brain_extraction=BrainExtractionReport(
            status="done",
            method="deepbet 1.0.2",
            source="flair",
            images=("dwi", "adc", "flair"),
            brain_volume_ml=1414.4,
            seconds=8.123,
        ),
        weights=WeightsReport(bundle="tiny", digest="c3" * 32),
        software=SoftwareReport(version="0.1.0", revision="0123abc", torch="2.13.0", device="cpu", profile="exact"),
        timing_seconds={"read": 0.25, "segment": 58.02, "write": 1.5},
        notice="For research use. Not a medical device.",
    )


@pytest.fixture(scope="session")
def empty_report(lesion_report: Report) -> Report:
    """No lesion, all three members ran, nothing to warn of."""
    ran = MemberReport(name="swan", status="ran", volume_ml=0.0, seconds=30.0, weights_digest="d4" * 32, networks=10)
    return lesion_report.model_copy(
        update={
            "verdict": "no-lesion",
            "lesion_volume_ml": 0.0,
            "lesion_count": 0,
            "lesions": (),
            "members": (*lesion_report.members[:2], ran),
            "degraded": False,
            "degraded_reason": None,
            "warnings": (),
            "brain_extraction": BrainExtractionReport(status="not-needed"),
        }
    )
