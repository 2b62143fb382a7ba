"""Where a table's rows come from, declared: nothing is opened until it is read.

Files (CSV, JSON lines, Parquet, Arrow IPC) by path, glob or URI, packed or not; databases through ADBC; Arrow Flight;
Delta and Iceberg tables as they stand. Each gives `Part`s (`headrace.data.reading`). What rows mean, and what they
become, is said in `headrace.data.preparation`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.data.sources.csv import CsvSource as CsvSource
    from headrace.data.sources.csv import Prepare as Prepare
    from headrace.data.sources.delta import DeltaSource as DeltaSource
    from headrace.data.sources.flight import FlightSource as FlightSource
    from headrace.data.sources.iceberg import IcebergSource as IcebergSource
    from headrace.data.sources.ipc import ArrowSource as ArrowSource
    from headrace.data.sources.json_lines import JsonLinesSource as JsonLinesSource
    from headrace.data.sources.parquet import ParquetSource as ParquetSource
    from headrace.data.sources.sql import SqlSource as SqlSource

_HOMES = {
    "ArrowSource": "ipc",
    "CsvSource": "csv",
    "DeltaSource": "delta",
    "FlightSource": "flight",
    "IcebergSource": "iceberg",
    "JsonLinesSource": "json_lines",
    "ParquetSource": "parquet",
    "Prepare": "csv",
    "SqlSource": "sql",
}

__all__ = [
    "ArrowSource",
    "CsvSource",
    "DeltaSource",
    "FlightSource",
    "IcebergSource",
    "JsonLinesSource",
    "ParquetSource",
    "Prepare",
    "SqlSource",
]


def __getattr__(name: str) -> Any:
    """Load a source's module when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
