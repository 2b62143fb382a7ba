"""What a table's columns may become when rows are added to it: the rules, and nothing else.

* A column that is new is allowed: rows from before have no value there.
* int64 may widen to float64, where every value stays what it is; int64 rows may go into a float64 column likewise.
* A column that is missing, narrower or of another type is refused. A replace may change anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.data.store.versions import check_columns


@dataclass(frozen=True)
class Evolution:
    """What appending rows does to a table's columns.

    Attributes:
        dtypes: columns of the table afterwards, in order.
        widened: columns that are int64 before and float64 afterwards.
        new: columns that only the new rows have.
    """

    dtypes: Mapping[str, str]
    widened: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def incoming(self) -> Mapping[str, str]:
        """Types that the new rows are stored as: those of the table, which they widen to."""
        return self.dtypes


def evolve(name: str, current: Mapping[str, str], incoming: Mapping[str, str]) -> Evolution:
    """Decide what appending columns of these types makes of a table.

    Raises:
        DefinitionError: the rules do not allow it; the message names the column and both types.
    """
    lacking = [column for column in current if column not in incoming]
    if lacking:
        raise DefinitionError(
            f"rows for table '{name}' lack its column '{lacking[0]}'; an append may add columns, not leave them out",
            hint=did_you_mean(lacking[0], [column for column in incoming if column not in current])
            or "give the column as nulls, or replace the table",
        )
    widened = []
    dtypes = dict(current)
    for column, dtype in incoming.items():
        before = dtypes.setdefault(column, dtype)
        if (before, dtype) == ("int64", "float64"):
            widened.append(column)
            dtypes[column] = dtype
        elif before != dtype and (before, dtype) != ("float64", "int64"):
            raise DefinitionError(
                f"column '{column}' of table '{name}' is {before}, the rows to append have {dtype}",
                hint="convert the rows, or replace the table: an append widens int64 to float64, no other type",
            )
    check_columns(list(dtypes))
    return Evolution(dtypes, tuple(widened), tuple(column for column in dtypes if column not in current))
