"""Conditions over columns as a tree states them and a person reads them: `origin = EWR and distance > 2,100`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_CATEGORIES = 40  # of a text column; rarer ones cannot be named in a slice


@dataclass(frozen=True)
class Condition:
    """One condition on one column.

    Attributes:
        column: the column.
        above: numbers must be above this; None: no lower bound.
        at_most: numbers must be at most this; None: no upper bound.
        missing: whether missing numbers are in.
        equals: text must be this.
        differs: text must be none of these.
    """

    column: str
    above: float | None = None
    at_most: float | None = None
    missing: bool = False
    equals: str | None = None
    differs: tuple[str, ...] = ()

    def mask(self, table: Table) -> npt.NDArray[np.bool_]:
        """Rows where it holds, bool[n]."""
        values = table.columns[self.column]
        if values.dtype.kind != "f":
            return values == self.equals if self.equals is not None else ~np.isin(values, self.differs)
        with np.errstate(invalid="ignore"):
            held = np.ones(values.size, np.bool_)
            if self.above is not None:
                held &= values > self.above
            if self.at_most is not None:
                held &= values <= self.at_most
        absent = np.isnan(values)
        return np.asarray(np.where(absent, self.missing, held), np.bool_)

    def __str__(self) -> str:
        if self.equals is not None:
            return f"{self.column} = {self.equals}"
        if self.differs:
            return f"{self.column} is not {' or '.join(self.differs)}"
        if self.above is not None and self.at_most is not None:
            text = f"{_number(self.above)} < {self.column} <= {_number(self.at_most)}"
        elif self.above is not None:
            text = f"{self.column} > {_number(self.above)}"
        elif self.at_most is not None:
            text = f"{self.column} <= {_number(self.at_most)}"
        else:
            return f"{self.column} is missing" if self.missing else f"{self.column} is known"
        return f"({text} or missing)" if self.missing else text

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data: what is set, and nothing else."""
        found = {"above": self.above, "at_most": self.at_most, "equals": self.equals, "differs": list(self.differs)}
        kept = {name: value for name, value in found.items() if value not in (None, [])}
        return {"column": self.column, **kept} | ({"missing": True} if self.missing else {})


@dataclass(frozen=True)
class Table:
    """Columns as a tree takes them.

    Attributes:
        columns: name -> float64[n] numbers (NaN = missing) or str[n].
        values: float32[n, V]: numbers as they are, text as one column a category.
        meaning: of each column of `values`: its name, and the category it stands for.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    values: npt.NDArray[np.float32]
    meaning: tuple[tuple[str, str | None], ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.values)

    @classmethod
    def of(cls, columns: Mapping[str, npt.NDArray[Any]]) -> Table:
        """Prepare columns; bool and whole numbers become float64, rounded to float32 as the tree sees them."""
        known: dict[str, npt.NDArray[Any]] = {}
        parts: list[npt.NDArray[np.float32]] = []
        meaning: list[tuple[str, str | None]] = []
        for name, given in columns.items():
            if given.dtype.kind in "fiub":
                narrow = given.astype(np.float32)
                narrow[np.isinf(narrow)] = np.nan
                known[name] = narrow.astype(np.float64)
                parts.append(narrow)
                meaning.append((name, None))
                continue
            texts = np.array(["(missing)" if value is None else str(value) for value in given.tolist()])
            known[name] = texts
            names, counts = np.unique(texts, return_counts=True)
            for category in names[np.argsort(-counts, kind="stable")][:MAX_CATEGORIES].tolist():
                parts.append((texts == category).astype(np.float32))
                meaning.append((name, category))
        rows = len(next(iter(known.values()))) if known else 0
        return cls(known, np.column_stack(parts) if parts else np.zeros((rows, 0), np.float32), tuple(meaning))


def node_conditions(tree: Any, table: Table) -> dict[int, tuple[Condition, ...]]:
    """What must hold in each node of a scikit-learn tree but the root: number of the node -> conditions."""
    found: dict[int, tuple[Condition, ...]] = {}

    def walk(node: int, held: dict[str, Condition]) -> None:
        if node:
            found[node] = tuple(held.values())
        if tree.children_left[node] < 0:
            return
        column, category = table.meaning[tree.feature[node]]
        threshold, to_left = float(tree.threshold[node]), bool(tree.missing_go_to_left[node])
        for left, child in ((True, tree.children_left[node]), (False, tree.children_right[node])):
            before = held.get(column)
            if category is not None:
                now = _of_category(before, column, category, inside=not left)
            else:
                now = _of_number(before, column, threshold, left=left, missing=to_left == left)
            walk(int(child), {**held, column: now})

    walk(0, {})
    return found


def words(conditions: Sequence[Condition]) -> str:
    """Conditions as a sentence part."""
    return " and ".join(str(condition) for condition in conditions)


def _of_category(before: Condition | None, column: str, category: str, *, inside: bool) -> Condition:
    if inside:
        return Condition(column, equals=category)
    if before is not None and before.equals is not None:
        return before
    return Condition(column, differs=(*(before.differs if before else ()), category))


def _of_number(before: Condition | None, column: str, threshold: float, *, left: bool, missing: bool) -> Condition:
    known = before or Condition(column, missing=True)
    known = replace(known, missing=known.missing and missing)
    if left:
        return replace(known, at_most=threshold if known.at_most is None else min(known.at_most, threshold))
    return replace(known, above=threshold if known.above is None else max(known.above, threshold))


def _number(value: float) -> str:
    """A bound with at most four digits that matter."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
