"""Rows that have no value: in which columns together, and which gap follows from which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.validation.findings import Finding

if TYPE_CHECKING:
    import polars as pl


def missing_values(frame: pl.DataFrame) -> Iterator[Finding]:
    """Name each set of columns that miss the same rows, and of which larger set those rows are a part.

    NaN counts as a value. Complexity: O(rows x columns with nulls), and the square of the number of different sets.
    """
    rows = frame.height
    sets: dict[int, list[str]] = {}
    masks: dict[int, pl.Series] = {}
    for name in frame.columns:
        nulls = frame.get_column(name).null_count()
        if not nulls:
            continue
        mask = frame.get_column(name).is_null()
        twin = next((key for key, known in masks.items() if int(known.sum()) == nulls and (known == mask).all()), None)
        if twin is None:
            twin = len(masks)
            masks[twin] = mask
        sets.setdefault(twin, []).append(name)
    order = sorted(masks, key=lambda key: -int(masks[key].sum()))
    for key in order:
        names, count = sets[key], int(masks[key].sum())
        around = next((other for other in reversed(order) if other != key and _within(masks[key], masks[other])), None)
        if len(names) == 1:
            message = f"{names[0]}: {count:,} of {rows:,} rows ({count / rows:.2%}) have no value"
        else:
            spoken = f"{', '.join(names[:-1])} and {names[-1]}"
            message = (
                f"{spoken}: {count:,} of {rows:,} rows ({count / rows:.2%}) have none of them, the same rows in each"
            )
        if around is not None and count < rows:
            outer = int(masks[around].sum())
            message += f"; all of these rows are among the {outer:,} without {sets[around][0]}"
        kind = "missing" if len(names) == 1 else "missing_together"
        evidence = {
            "rows": count,
            "total": rows,
            "columns": names,
            "within": sets[around] if around is not None else [],
        }
        yield Finding(kind, ", ".join(names), message, 1.0, None, evidence)


def _within(inner: pl.Series, outer: pl.Series) -> bool:
    """Whether the outer set holds all rows of the inner one and more."""
    count = int(inner.sum())
    return int(outer.sum()) > count and int((inner & outer).sum()) == count
