"""An ensemble over columns as the arrays of the forest kernel: tests are `x <= split`, or tables of categories."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace.core.errors import UnimplementedError
from headrace.serving.runtime.forest.columns import Columns, View
from headrace.serving.runtime.forest.ensemble import GT, GTE, LEQ, LT, MEMBER, Ensemble
from headrace.serving.runtime.forest.graph import Array
from headrace_kernels.forests import ColumnKind, Forest

_TABLES_LIMIT_BYTES = 1 << 26
_KINDS = {View.PLAIN: ColumnKind.PLAIN, View.ZERO_MISSING: ColumnKind.ZERO_MISSING}


def build_forest(columns: Columns, ensemble: Ensemble, *, n_features: int) -> Forest:
    """State a graph's trees as the kernel takes them.

    Raises:
        UnimplementedError: a test the kernel does not know.
    """
    if int(ensemble.column.max(initial=0)) >= len(columns) or int(ensemble.column.min(initial=0)) < 0:
        raise UnimplementedError(f"a node tests a column beyond the {len(columns)} there are")
    swapped = np.isin(ensemble.mode, (GTE, GT))
    tables = _Tables(columns)
    column = ensemble.column.copy()
    looks_up = np.array([each.numbers() is not None for each in columns], np.bool_)[column]
    for node in np.flatnonzero(looks_up):
        column[node] = tables.find(int(column[node]), _goes_true(columns, ensemble, int(node)) ^ bool(swapped[node]))
    kinds = [_KINDS.get(each.view, ColumnKind.PLAIN) for each in columns]  # nodes read tables instead of categories
    return Forest(
        n_features=n_features,
        n_targets=ensemble.n_targets,
        column_feature=np.array([each.feature for each in columns] + tables.features, np.int32),
        column_kind=np.array([*kinds, *[ColumnKind.TABLE] * len(tables.features)], np.uint8),
        table_start=np.cumsum([0] * (len(columns) + 1) + [len(each) for each in tables.entries], dtype=np.int64),
        tables=np.concatenate([np.empty(0, np.uint8), *tables.entries]),
        node_column=column.astype(np.int32),
        node_split=_splits(ensemble, plain=~looks_up),
        node_nan_left=ensemble.nan_true ^ swapped,
        node_left=np.where(swapped, ensemble.false, ensemble.true).astype(np.int32),
        node_right=np.where(swapped, ensemble.true, ensemble.false).astype(np.int32),
        tree_root=ensemble.roots.astype(np.int32),
        tree_targets=ensemble.targets.astype(np.int32),
        leaf_values=ensemble.weights,
        base=ensemble.base,
    )


class _Tables:
    """Tables of categories, each once; they are columns after all others."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._positions: dict[tuple[int, bytes], int] = {}
        self._size = 0
        self.features: list[int] = []
        self.entries: list[npt.NDArray[np.uint8]] = []

    def find(self, column: int, goes_left: npt.NDArray[np.bool_]) -> int:
        """The column of a table over the same feature."""
        feature = self._columns[column].feature
        table = (~goes_left).astype(np.uint8)
        key = feature, table.tobytes()
        if key not in self._positions:
            self._positions[key] = len(self._columns) + len(self.entries)
            self._size += len(table)
            self.features.append(feature)
            self.entries.append(table)
        if self._size > _TABLES_LIMIT_BYTES:
            raise UnimplementedError(f"tables of categories beyond {_TABLES_LIMIT_BYTES >> 20} MiB")
        return self._positions[key]


def _goes_true(columns: Columns, ensemble: Ensemble, node: int) -> npt.NDArray[np.bool_]:
    """Whether a test of a category holds, by category, no category first."""
    numbers, split = columns[int(ensemble.column[node])].numbers(), ensemble.split[node]
    assert numbers is not None
    tests = {LEQ: numbers <= split, LT: numbers < split, GTE: numbers >= split, GT: numbers > split}
    mode = int(ensemble.mode[node])
    if mode == MEMBER:
        return np.isin(numbers, ensemble.members[node])
    if mode not in tests:
        raise UnimplementedError(f"a test of mode {mode}")
    held: npt.NDArray[np.bool_] = tests[mode]
    return held


def _splits(ensemble: Ensemble, *, plain: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The largest float32 for which `x <= split` (or, strictly, `x < split`) holds, by node; 0 where not `plain`.

    For float32 x that is the same question: x <= t and x <= (t rounded down) agree; x > t and x >= t are opposites.
    """
    if not np.isin(ensemble.mode[plain], (LEQ, LT, GTE, GT)).all():
        raise UnimplementedError("a test of a feature that is no comparison")
    split: Array = np.where(plain, ensemble.split, 0)
    strict = np.isin(ensemble.mode, (LT, GTE)) & plain
    if np.isnan(split).any() or np.isinf(split[strict]).any():
        raise UnimplementedError("a test against NaN or infinity")
    with np.errstate(over="ignore", under="ignore"):
        rounded = split.astype(np.float32)
    beyond = np.where(strict, rounded >= split, rounded > split)
    floored: npt.NDArray[np.float32] = np.where(beyond, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return floored
