"""Sources in, versioned tables out: files, databases and streams to Delta, with what did not parse set aside and named.

A read is reproducible: a snapshot names (table, version, digest) for every input. This layer knows columns and types,
not what they mean: rules about values belong to `headrace.validation`. It is the only door to Delta.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headrace.data.profile import profile as profile  # not later: its module has the same name

if TYPE_CHECKING:
    from headrace.data.digests import TableDigest as TableDigest
    from headrace.data.digests import digest_table as digest_table
    from headrace.data.ingestion import IngestResult as IngestResult
    from headrace.data.ingestion import ingest as ingest
    from headrace.data.preparation import Decimal as Decimal
    from headrace.data.preparation import Deduplicate as Deduplicate
    from headrace.data.preparation import Load as Load
    from headrace.data.preparation import LocalTime as LocalTime
    from headrace.data.preparation import Preparation as Preparation
    from headrace.data.preparation import RowId as RowId
    from headrace.data.preparation import Typed as Typed
    from headrace.data.preparation import Unit as Unit
    from headrace.data.preparation import Watermark as Watermark
    from headrace.data.reading import Part as Part
    from headrace.data.reading import Source as Source
    from headrace.data.replaying import QuarantineReplay as QuarantineReplay
    from headrace.data.replaying import replay_quarantine as replay_quarantine
    from headrace.data.sources import ArrowSource as ArrowSource
    from headrace.data.sources import CsvSource as CsvSource
    from headrace.data.sources import DeltaSource as DeltaSource
    from headrace.data.sources import FlightSource as FlightSource
    from headrace.data.sources import IcebergSource as IcebergSource
    from headrace.data.sources import JsonLinesSource as JsonLinesSource
    from headrace.data.sources import ParquetSource as ParquetSource
    from headrace.data.sources import SqlSource as SqlSource
    from headrace.data.sources.inlet import FlightInlet as FlightInlet
    from headrace.data.sources.inlet import Intake as Intake
    from headrace.data.store import Snapshot as Snapshot
    from headrace.data.store import TableStore as TableStore
    from headrace.data.store import TableVersion as TableVersion
    from headrace.data.types import DTYPES as DTYPES
    from headrace.data.types import table_dtypes as table_dtypes

_HOMES = {
    "ArrowSource": "sources",
    "CsvSource": "sources",
    "DTYPES": "types",
    "Decimal": "preparation",
    "Deduplicate": "preparation",
    "DeltaSource": "sources",
    "FlightInlet": "sources.inlet",
    "FlightSource": "sources",
    "IcebergSource": "sources",
    "IngestResult": "ingestion",
    "Intake": "sources.inlet",
    "JsonLinesSource": "sources",
    "Load": "preparation",
    "LocalTime": "preparation",
    "ParquetSource": "sources",
    "Part": "reading",
    "Preparation": "preparation",
    "QuarantineReplay": "replaying",
    "RowId": "preparation",
    "Snapshot": "store",
    "Source": "reading",
    "SqlSource": "sources",
    "TableDigest": "digests",
    "TableStore": "store",
    "TableVersion": "store",
    "Typed": "preparation",
    "Unit": "preparation",
    "Watermark": "preparation",
    "digest_table": "digests",
    "ingest": "ingestion",
    "replay_quarantine": "replaying",
    "table_dtypes": "types",
}

__all__ = [
    "DTYPES",
    "ArrowSource",
    "CsvSource",
    "Decimal",
    "Deduplicate",
    "DeltaSource",
    "FlightInlet",
    "FlightSource",
    "IcebergSource",
    "IngestResult",
    "Intake",
    "JsonLinesSource",
    "Load",
    "LocalTime",
    "ParquetSource",
    "Part",
    "Preparation",
    "QuarantineReplay",
    "RowId",
    "Snapshot",
    "Source",
    "SqlSource",
    "TableDigest",
    "TableStore",
    "TableVersion",
    "Typed",
    "Unit",
    "Watermark",
    "digest_table",
    "ingest",
    "profile",
    "replay_quarantine",
    "table_dtypes",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for: who wants the types alone waits for no reader (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
