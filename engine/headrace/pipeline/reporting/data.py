"""The report's parts about the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.pipeline.report.model import (
    CategoryCount,
    ColumnProfile,
    DataProfile,
    Histogram,
    TableSummary,
    ValidationCheck,
)

MAX_COLUMNS = 12
TOP_VALUES = 8


def data_profile(ingested: dict[str, Any], validated: dict[str, Any] | None, units: Mapping[str, str]) -> DataProfile:
    """Tables as read, and a dozen columns worth a picture: those with a unit first, then by table."""
    used = validated["tables"] if validated else {}
    tables = tuple(
        TableSummary(
            name=name,
            version=table["version"],
            digest=table["digest"],
            rows=table["rows_read"],
            quarantined=table["quarantined"] + used.get(name, {}).get("rejected", 0),
            source=table["source"],
        )
        for name, table in ingested["tables"].items()
    )
    columns = [
        _column(name, table["profile"]["rows"], column, units)
        for name, table in ingested["tables"].items()
        for column in table["profile"]["columns"]
        if "histogram" in column or 1 < column["distinct"] <= 50
    ]
    columns.sort(key=lambda column: not column.unit)
    return DataProfile(tables, tuple(columns[:MAX_COLUMNS]))


def checks(validated: dict[str, Any]) -> tuple[ValidationCheck, ...]:
    """Every check, those that did not pass first."""
    ordered = sorted(validated["checks"], key=lambda check: ("failed", "warned", "passed").index(check["status"]))
    names = ("table", "column", "name", "status", "detail", "rows")
    return tuple(ValidationCheck(**{name: check[name] for name in names}) for check in ordered)


def _column(table: str, rows: int, column: dict[str, Any], units: Mapping[str, str]) -> ColumnProfile:
    histogram = column.get("histogram")
    numeric = column["dtype"] in ("int64", "float64")
    return ColumnProfile(
        table=table,
        name=column["name"],
        dtype=column["dtype"],
        rows=rows,
        nulls=column["nulls"],
        unit=units.get(column["name"], ""),
        histogram=Histogram(tuple(histogram["edges"]), tuple(histogram["counts"])) if numeric and histogram else None,
        top=tuple(CategoryCount(str(top["value"]), top["count"]) for top in column.get("top", ())[:TOP_VALUES]),
        distinct=column["distinct"],
        minimum=column.get("min") if numeric else None,
        mean=column.get("mean") if numeric else None,
        maximum=column.get("max") if numeric else None,
    )
