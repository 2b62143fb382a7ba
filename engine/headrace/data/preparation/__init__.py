"""From what a source gives to a table's columns, declared: how values are read, what columns are called, which are new.

Every step is row for row, so that a source of any size is prepared piece by piece; deduplication alone looks at all
rows, twice. A value that does not read sends its row to quarantine with its place. What values mean, and whether they
are plausible, is said in `headrace.validation`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.data.preparation.declaration import Preparation as Preparation
    from headrace.data.preparation.duplicates import Deduplicate as Deduplicate
    from headrace.data.preparation.identity import RowId as RowId
    from headrace.data.preparation.identity import row_ids as row_ids
    from headrace.data.preparation.loads import Load as Load
    from headrace.data.preparation.loads import Watermark as Watermark
    from headrace.data.preparation.values import Decimal as Decimal
    from headrace.data.preparation.values import LocalTime as LocalTime
    from headrace.data.preparation.values import Typed as Typed
    from headrace.data.preparation.values import Unit as Unit

_HOMES = {
    "Decimal": "values",
    "Deduplicate": "duplicates",
    "Load": "loads",
    "LocalTime": "values",
    "Preparation": "declaration",
    "RowId": "identity",
    "Typed": "values",
    "Unit": "values",
    "Watermark": "loads",
    "row_ids": "identity",
}

__all__ = [
    "Decimal",
    "Deduplicate",
    "Load",
    "LocalTime",
    "Preparation",
    "RowId",
    "Typed",
    "Unit",
    "Watermark",
    "row_ids",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
