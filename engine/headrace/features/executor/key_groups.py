"""Features that meet their events by one key: cut into buckets once, computed bucket by bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from headrace.features.executor.bucket import BucketRows
from headrace.features.executor.columns import TableColumns
from headrace.features.executor.keys import KeyCodes
from headrace.features.executor.spine import Spine
from headrace.features.executor.windows import WindowBlock
from headrace_kernels.arrays import EventTimes, GroupedQueries
from headrace_kernels.cpu import grouping, partitions, rows
from headrace_kernels.cpu.partitions import BucketLayout, Buckets, ForEach, Rows
from headrace_kernels.dtypes import Floats, Matrix, Positions, Times

_BUCKET_ROWS = 16_384
_BLOCK_BYTES = 1 << 21
_MOST_SLICES = 16

Task = Callable[[], "list[Task]"]
"""Does a piece of work and says what can be done then."""


class Block(Protocol):
    """Features that read one table in one way."""

    events: TableColumns
    slots: list[int]
    times: EventTimes

    def prepare(self, bucket: BucketRows, time: Times) -> Any:
        """Order a bucket's rows, whose `times.time` is given: int64[n]."""
        ...

    def write(self, prepared: Any, queries: GroupedQueries, out: Floats) -> None:
        """Write the features of queries: float64[n_features, n_queries]."""
        ...


@dataclass(frozen=True)
class Target:
    """Where features are written.

    Attributes:
        matrix: float32[n_rows, n_features], C-contiguous.
        extra: float64[n_rows, n_intermediates], C-contiguous; slots from n_features on.
    """

    matrix: Matrix
    extra: Floats

    def write(self, block: Floats, places: Positions, slots: Sequence[int]) -> None:
        """Write float64[n_slots, n] into rows int64[n]."""
        n_features = self.matrix.shape[1]
        split = np.array(slots, dtype=np.int64)
        if (split < n_features).all():
            rows.write_rows(block, places, split, self.matrix)
            return
        for inside, shift, out in ((split < n_features, 0, self.matrix), (split >= n_features, n_features, self.extra)):
            if inside.any():
                rows.write_rows(np.ascontiguousarray(block[inside]), places, split[inside] - shift, out)


@dataclass(frozen=True)
class _Bucket:
    """A bucket that is ready for its queries."""

    prepared: list[Any]
    queries: GroupedQueries


class KeyGroup:
    """Blocks whose events have the same table and key."""

    def __init__(self, codes: KeyCodes, blocks: Sequence[Block], spine: Spine, target: Target) -> None:
        self.codes = codes
        self.blocks = blocks
        self.spine = spine
        self.target = target
        self.slots = [slot for block in blocks for slot in block.slots]
        self._same = codes.left is codes.right
        self._layout: BucketLayout
        self._events: Buckets
        self._queries: Buckets
        self._times: dict[int, Times] = {}  # event times by the identity of the table's array, in the buckets' order
        self._asked: Times

    def cut(self, for_each: ForEach) -> None:
        """Cut both tables' rows into buckets."""
        codes = self.codes
        counts = partitions.count_rows(codes.left, codes.n_keys, for_each)
        asked = counts if self._same else partitions.count_rows(codes.right, codes.n_keys, for_each)
        width = max(len(self.slots), 1) * 8
        together = min(_BUCKET_ROWS, max(1024, _BLOCK_BYTES // width)) * (1 if self._same else 2)
        self._layout = partitions.lay_out([counts] if self._same else [counts, asked], codes.n_keys, together)
        times = {id(block.times.time): block.times.time for block in self.blocks}
        self._events, cut = partitions.cut_rows(codes.left, counts, self._layout, list(times.values()), for_each)
        self._times = dict(zip(times, cut, strict=True))
        self._queries = self._events
        if self._asker() is None:
            asking = [self.spine.query_time]
            self._queries, (self._asked,) = partitions.cut_rows(codes.right, asked, self._layout, asking, for_each)

    def tasks(self) -> Iterator[Task]:
        """One task a bucket, the largest first, and one for the rows without a key."""
        sizes = np.diff(self._queries.starts)
        for bucket in np.argsort(-sizes, kind="stable"):
            if sizes[bucket]:
                yield partial(self._run_bucket, int(bucket))
        yield from self.keyless_tasks()

    def keyless_tasks(self) -> Iterator[Task]:
        """One task for the rows without a key, where there are any: nothing is cut for it."""
        keyless = np.flatnonzero(self.codes.right < 0)
        if len(keyless):
            yield partial(self._run_keyless, keyless.astype(np.int32))

    def _asker(self) -> int | None:
        """Which block's events in time order are the queries in time order, moved by the query's offset."""
        for number, block in enumerate(self.blocks if self._same else ()):
            if isinstance(block, WindowBlock) and block.queries_are_events(self.spine):
                return number
        return None

    def _run_bucket(self, bucket: int) -> list[Task]:
        low = int(self._layout.lows[bucket])
        n_keys = int(self._layout.lows[bucket + 1]) - low
        here = self._events.of(bucket)
        mine = BucketRows(self._events.rows[here], self._events.codes[here], low, n_keys)
        prepared = [block.prepare(mine, self._times[id(block.times.time)][here]) for block in self.blocks]
        return self._run_queries(_Bucket(prepared, self._ordered_queries(bucket, low, n_keys, prepared)))

    def _ordered_queries(self, bucket: int, low: int, n_keys: int, prepared: Sequence[Any]) -> GroupedQueries:
        asker = self._asker()
        if asker is not None:
            events = prepared[asker].events
            return GroupedQueries(events.groups, events.time + self.spine.offset_us)
        here = self._queries.of(bucket)
        return grouping.group_queries(
            self._queries.rows[here], self._queries.codes[here], low, n_keys, self._asked[here]
        )

    def _run_keyless(self, asking: Rows) -> list[Task]:
        nobody = BucketRows.nobody()
        prepared = [block.prepare(nobody, np.zeros(0, dtype=np.int64)) for block in self.blocks]
        same_key = np.zeros(len(asking), dtype=np.int32)
        queries = grouping.group_queries(asking, same_key, 0, 1, self.spine.query_time[asking])
        return self._run_queries(_Bucket(prepared, queries))

    def _run_queries(self, bucket: _Bucket) -> list[Task]:
        """Write a bucket's features; a large one comes back as slices of its queries."""
        n_queries = len(bucket.queries.time)
        parts = min(_MOST_SLICES, -(-n_queries // (2 * _BUCKET_ROWS)))
        if parts <= 1:
            self._write(bucket, bucket.queries)
            return []
        edges = np.linspace(0, n_queries, parts + 1).astype(np.int64)
        return [partial(self._write_slice, bucket, int(begin), int(end)) for begin, end in pairwise(edges)]

    def _write_slice(self, bucket: _Bucket, begin: int, end: int) -> list[Task]:
        self._write(bucket, grouping.slice_queries(bucket.queries, begin, end))
        return []

    def _write(self, bucket: _Bucket, queries: GroupedQueries) -> None:
        # rounded to float32 where it is written, unless an expression is to read the float64
        dtype = np.float32 if all(slot < self.target.matrix.shape[1] for slot in self.slots) else np.float64
        block = np.empty((len(self.slots), len(queries.time)), dtype=dtype)
        line = 0
        for features, prepared in zip(self.blocks, bucket.prepared, strict=True):
            features.write(prepared, queries, block[line : line + len(features.slots)])
            line += len(features.slots)
        if self.slots:
            self.target.write(block, queries.groups.rows, self.slots)
