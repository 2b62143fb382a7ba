"""Sources in, versioned tables out: CSV to Arrow to Delta, with what did not parse set aside and named.

A read is reproducible: a snapshot names (table, version, digest) for every input. This layer knows columns and types,
not what they mean: rules about values belong to `headrace.validation`. It is the only door to Delta.
"""

from headrace.data.digests import TableDigest as TableDigest
from headrace.data.digests import digest_table as digest_table
from headrace.data.ingestion import IngestResult as IngestResult
from headrace.data.ingestion import ingest as ingest
from headrace.data.profile import profile as profile
from headrace.data.sources import CsvSource as CsvSource
from headrace.data.store import Snapshot as Snapshot
from headrace.data.store import TableStore as TableStore
from headrace.data.store import TableVersion as TableVersion
from headrace.data.types import DTYPES as DTYPES
from headrace.data.types import table_dtypes as table_dtypes

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
