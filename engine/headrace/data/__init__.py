"""Sources in, versioned tables out: CSV to Arrow to Delta, with what did not parse set aside and named.

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
    from headrace.data.sources import CsvSource as CsvSource
    from headrace.data.store import Snapshot as Snapshot
    from headrace.data.store import TableStore as TableStore
    from headrace.data.store import TableVersion as TableVersion
    from headrace.data.types import DTYPES as DTYPES
    from headrace.data.types import table_dtypes as table_dtypes

_HOMES = {
    "DTYPES": "types",
    "CsvSource": "sources",
    "IngestResult": "ingestion",
    "Snapshot": "store",
    "TableDigest": "digests",
    "TableStore": "store",
    "TableVersion": "store",
    "digest_table": "digests",
    "ingest": "ingestion",
    "table_dtypes": "types",
}

__all__ = [
    "DTYPES",
    "CsvSource",
    "IngestResult",
    "Snapshot",
    "TableDigest",
    "TableStore",
    "TableVersion",
    "digest_table",
    "ingest",
    "profile",
    "table_dtypes",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for: who wants the types alone waits for no reader (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
