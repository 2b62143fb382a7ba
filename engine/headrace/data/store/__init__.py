"""Versioned tables on Delta: a write is all or nothing, a version is for ever, a read says which bits it gave.

`TableStore` is the door. Behind it, one file an idea: what is written in a stream, what changes rows that are there,
what a schema may become, what is read and checked, which rows changed, which versions have names, and what may go.
"""

from headrace.data.store.tables import TableStore
from headrace.data.store.versions import Snapshot, TableVersion, VersionRecord
from headrace.data.store.writing import TableWriter

__all__ = ["Snapshot", "TableStore", "TableVersion", "TableWriter", "VersionRecord"]
