"""Write resources/schemas/report.schema.json from the classes in deepisles/reports/report.py."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from deepisles.reports.report import SCHEMA_VERSION, Report
from deepisles.resources import resource_path

SCHEMA_FILE = resource_path("schemas", "report.schema.json")


class EveryKeyRequired(GenerateJsonSchema):
    """The schema of documents that are always written in full, keys with a default included."""

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: ANN401 - pydantic's own signature
        """Say yes, whatever the field."""
        return True


def make_schema() -> dict[str, Any]:
    """Make the JSON schema of report.json as it is written: every key is always there."""
    return {
        **Report.model_json_schema(mode="serialization", schema_generator=EveryKeyRequired),
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:deepisles:report:{SCHEMA_VERSION}",
        "title": "DeepISLES report",
        "description": f"report.json, version {SCHEMA_VERSION}: everything that is said about one case.",
    }


def main() -> None:
    """Write the schema, sorted, so that it only changes where its meaning does."""
    parser = argparse.ArgumentParser(description="Write the JSON schema of report.json.")
    parser.add_argument("dest", type=Path, nargs="?", default=SCHEMA_FILE, metavar="DEST", help="file to write")
    dest: Path = parser.parse_args().dest
    dest.write_text(json.dumps(make_schema(), indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
