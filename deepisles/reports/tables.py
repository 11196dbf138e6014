"""lesions.csv and summary.csv: a report as tables whose columns are the same for every case."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

from deepisles.consensus.voting import ENSEMBLE
from deepisles.findings.territory import SIDES, TERRITORIES
from deepisles.reports.report import LesionReport, Report

Row = Mapping[str, Any]
AXES: Final = ("x", "y", "z")
LESION_COLUMNS: Final = (
    "label",
    "volume_ml",
    "volume_share",
    *(f"centroid_{axis}_mm" for axis in AXES),
    *(f"start_{axis}" for axis in AXES),
    *(f"stop_{axis}" for axis in AXES),
    "slices",
    "mean_probability",
    *(f"votes_{name}" for name in ENSEMBLE),
    "mean_dwi",
    "mean_adc",
    "mean_adc_1e6_mm2_s",
)


def render_lesions(report: Report) -> str:
    """Render lesions.csv: a line of names, then one line per lesion, largest first."""
    return _render(LESION_COLUMNS, (_lesion_row(lesion, report) for lesion in report.lesions))


def render_summary(report: Report) -> str:
    """Render summary.csv: a line of names and one line; cells that were not assessed are empty."""
    row = _summary_row(report)
    return _render(tuple(row), [row])


def _lesion_row(lesion: LesionReport, report: Report) -> Row:
    box = lesion.bounding_box
    return {
        "label": lesion.label,
        "volume_ml": lesion.volume_ml,
        "volume_share": lesion.volume_ml / report.lesion_volume_ml,
        **{f"centroid_{axis}_mm": place for axis, place in zip(AXES, lesion.centroid_mm, strict=True)},
        **{f"start_{axis}": index for axis, index in zip(AXES, box.start, strict=True)},
        **{f"stop_{axis}": index for axis, index in zip(AXES, box.stop, strict=True)},
        "slices": len(lesion.slices),
        "mean_probability": lesion.mean_probability,
        **{f"votes_{name}": lesion.votes.get(name) for name in ENSEMBLE},
        "mean_dwi": lesion.mean_dwi,
        "mean_adc": lesion.mean_adc,
        "mean_adc_1e6_mm2_s": lesion.mean_adc_1e6_mm2_s,
    }


def _summary_row(report: Report) -> Row:
    members = {member.name: member for member in report.members}
    territory, registration = report.territory, report.territory.registration
    loads = territory.loads_ml or {}
    return {
        "verdict": report.verdict,
        "lesion_volume_ml": report.lesion_volume_ml,
        "lesion_count": report.lesion_count,
        "largest_lesion_ml": max((lesion.volume_ml for lesion in report.lesions), default=0.0),
        "pattern": report.pattern,
        "territory_status": territory.status,
        "territory": territory.name,
        "territory_side": territory.side,
        **{
            f"load_{name.lower().replace('-', '_')}_{side}_ml": getattr(loads[name], side) if name in loads else None
            for name in TERRITORIES
            for side in SIDES
        },
        "load_outside_ml": territory.outside_ml,
        "mni_overlap": registration.overlap if registration else None,
        "mni_mutual_information": registration.mutual_information if registration else None,
        "atlas_sha256": territory.atlas.sha256 if territory.atlas else None,
        **{f"volume_{name}_ml": members[name].volume_ml if name in members else None for name in ENSEMBLE},
        "consensus_rule": report.consensus.rule,
        "degraded": str(report.degraded).lower(),
        "warnings": len(report.warnings),
        "has_flair": str("flair" in report.inputs.modalities).lower(),
        **{f"spacing_{axis}_mm": step for axis, step in zip(AXES, report.inputs.grid.spacing_mm, strict=True)},
        "brain_extraction": report.brain_extraction.status if report.brain_extraction else None,
        "weights_bundle": report.weights.bundle,
        "weights_digest": report.weights.digest,
        "version": report.software.version,
        "revision": report.software.revision,
    }


def _render(columns: tuple[str, ...], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.10g}" if isinstance(value, float) else value for name, value in row.items()})
    return text.getvalue()
