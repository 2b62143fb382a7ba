"""The index database: one SQLite file, or a PostgreSQL database by URI, used in the same way.

The registry and the release ledger keep their tables in one database so that a promotion is one transaction. A write
transaction holds the only write lock from its first statement on, with either database: what it reads stays true until
it commits, so a number may be counted and a move checked without retries.
"""

from headrace.core.database.append_only import forbid_changes
from headrace.core.database.opening import database_exists, ensure_tables, open_database, redacted
from headrace.core.database.reading import reading

__all__ = ["database_exists", "ensure_tables", "forbid_changes", "open_database", "reading", "redacted"]
