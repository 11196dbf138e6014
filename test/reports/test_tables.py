"""lesions.csv and summary.csv."""

from __future__ import annotations

import csv
import io

import pytest

from deepisles.reports.tables import LESION_COLUMNS, render_lesions, render_summary


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_line_per_lesion_with_what_the_report_says(lesion_report):
    rows = read(render_lesions(lesion_report))
    assert len(rows) == 2
    first = lesion_report.lesions[0]
    assert float(rows[0]["volume_ml"]) == pytest.approx(first.volume_ml)
    assert float(rows[0]["centroid_x_mm"]) == pytest.approx(43.12)
    assert [int(rows[0][f"stop_{axis}"]) for axis in "xyz"] == [62, 55, 33]
    assert int(rows[0]["slices"]) == len(first.slices)
    # SWAN did not run
    assert (rows[0]["votes_seals"], rows[0]["votes_swan"]) == ("0.95", "")
    assert sum(float(row["volume_share"]) for row in rows) == pytest.approx(1)


def test_cases_concatenate(lesion_report, empty_report):
    """The lines of names are the same, whatever a case has."""
    summaries = [render_summary(report).splitlines() for report in (lesion_report, empty_report)]
    assert [len(lines) for lines in summaries] == [2, 2]
    assert summaries[0][0] == summaries[1][0]
    assert render_lesions(empty_report) == ",".join(LESION_COLUMNS) + "\n"
    together = read("\n".join([*summaries[0], summaries[1][1]]))
    assert [row["verdict"] for row in together] == ["lesion", "no-lesion"]
    assert [row["lesion_count"] for row in together] == ["2", "0"]
    assert [row["degraded"] for row in together] == ["true", "false"]
    assert together[0]["volume_swan_ml"] == ""
    assert together[0]["territory"] == ""


def test_every_column_is_documented(lesion_report):
    from deepisles.resources import RESOURCES

    guide = (RESOURCES.parent / "docs" / "report.md").read_text(encoding="utf-8")
    names = [*read(render_summary(lesion_report))[0], *LESION_COLUMNS]
    missing = [name for name in names if f"`{name}`" not in guide]
    assert missing == []
