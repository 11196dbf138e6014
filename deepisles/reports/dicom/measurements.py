"""The structured report: volume and count of the lesions by the template for measurements (TID 1500)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import highdicom as hd

from deepisles.case.dicom.source_slices import SourceSlices
from deepisles.reports.dicom import terms
from deepisles.reports.dicom.origin import MANUFACTURER, MODEL, Origin, make_uid
from deepisles.reports.dicom.segmentation import TrackedLesion
from deepisles.reports.report import LesionReport, Report

LesionGroup = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations

MEASUREMENTS_NAME: Final = "DeepISLES lesion measurements"


def build_measurements(
    slices: SourceSlices,
    segmentation: hd.seg.Segmentation | None,
    lesions: Sequence[TrackedLesion],
    report: Report,
    origin: Origin,
) -> hd.sr.Comprehensive3DSR:
    """Build the structured report.

    Parameters
    ----------
    slices : SourceSlices
        The images that were segmented.
    segmentation : Segmentation or None
        What the lesions' measurements refer to; None where no lesion was found.
    lesions : sequence of TrackedLesion
        The lesions of the report, in its order.
    report : Report
        The numbers.
    origin : Origin
        Who measured.
    """
    groups: list[hd.sr.MeasurementsAndQualitativeEvaluations | LesionGroup] = [_summarise(report)]
    if segmentation is not None:
        series_uid = slices.headers[0].SeriesInstanceUID
        pairs = zip(report.lesions, lesions, strict=True)
        groups += [_measure_lesion(lesion, tracked, segmentation, series_uid) for lesion, tracked in pairs]
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(
                observer_type=hd.sr.CodedConcept.from_code(terms.DEVICE),
                observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
                    uid=origin.device_uid,
                    name=MODEL,
                    manufacturer_name=MANUFACTURER,
                    model_name=MODEL,
                    serial_number=origin.serial_number,
                ),
            )
        ),
        procedure_reported=terms.BRAIN_MRI,
        imaging_measurements=groups,
    )
    return hd.sr.Comprehensive3DSR(
        # the scanner's images first: patient, study and equipment are taken from there
        evidence=[*slices.headers, *([] if segmentation is None else [segmentation])],
        content=content,
        is_complete=True,
        **origin.make_series(slices.series_number, 2, MEASUREMENTS_NAME),
    )


def _summarise(report: Report) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    """Say of all lesions together how many they are and how large, zeros included."""
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=make_uid(), identifier="All lesions"),
        finding_category=terms.ABNORMAL_STRUCTURE,
        finding_type=terms.INFARCT,
        finding_sites=[hd.sr.FindingSite(terms.BRAIN)],
        measurements=[
            hd.sr.Measurement(terms.LESION_COUNT, report.lesion_count, terms.NO_UNITS),
            hd.sr.Measurement(terms.VOLUME, report.lesion_volume_ml, terms.ML, derivation=terms.TOTAL),
        ],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(terms.PRESENCE, terms.PRESENT if report.lesions else terms.ABSENT)
        ],
    )


def _measure_lesion(
    lesion: LesionReport, tracked: TrackedLesion, segmentation: hd.seg.Segmentation, series_uid: str
) -> LesionGroup:
    return LesionGroup(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=tracked.uid, identifier=tracked.name),
        # the series stands for its images, which the segmentation names one by one
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=tracked.label,
            source_series=hd.sr.SourceSeriesForSegmentation(series_uid),
        ),
        finding_category=terms.ABNORMAL_STRUCTURE,
        finding_type=terms.INFARCT,
        finding_sites=[hd.sr.FindingSite(terms.BRAIN)],
        measurements=[
            hd.sr.Measurement(terms.VOLUME, lesion.volume_ml, terms.ML),
            hd.sr.Measurement(terms.ADC, lesion.mean_adc_1e6_mm2_s, terms.ADC_UNIT, derivation=terms.MEAN),
        ],
    )
