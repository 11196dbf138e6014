"""The published schema is that of the reports that are written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deepisles.reports.report import Report
from deepisles.resources import resource_path

TOOL = Path(__file__).resolve().parents[2] / "tools" / "write_schema.py"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(resource_path("schemas", "report.schema.json").read_text(encoding="utf-8"))


def is_valid(document: Any, schema: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(document)


def test_the_committed_schema_is_up_to_date(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.json"
    subprocess.run([sys.executable, str(TOOL), str(fresh)], check=True)
    committed = resource_path("schemas", "report.schema.json").read_text(encoding="utf-8")
    assert committed == fresh.read_text(encoding="utf-8"), "run: python tools/write_schema.py"


def test_the_schema_is_itself_valid(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def test_reports_are_valid(schema: dict[str, Any], lesion_report: Report, empty_report: Report) -> None:
    for report in (lesion_report, empty_report):
        jsonschema.validate(json.loads(report.model_dump_json()), schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "perhaps"},
        {"lesion_volume_ml": -1},
        {"connectivity": 6},
        {"schema_version": "0.9"},
        {"patient_name": "somebody"},
        {"lesions": [{"label": 0}]},
        {"degraded": None},
    ],
)
def test_other_documents_are_not(schema: dict[str, Any], lesion_report: Report, change: dict[str, Any]) -> None:
    document = json.loads(lesion_report.model_dump_json())
    assert is_valid(document, schema)
    assert not is_valid({**document, **change}, schema)


def test_no_key_may_be_missing(schema: dict[str, Any], lesion_report: Report) -> None:
    document = json.loads(lesion_report.model_dump_json())
    for key in document:
        assert not is_valid({name: value for name, value in document.items() if name != key}, schema), key
