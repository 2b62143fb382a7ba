"""How a build is cut so that it fits its memory: which features go together, in how many pieces. Pure decisions.

A table either fits and is kept whole while the spine is read in chunks, or it is large: then it and the spine are cut
into partitions of whole keys. Either way a piece holds everything its spine rows may read, so pieces give the same bits
as the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headrace.core.errors import ExhaustedError
from headrace.features.build.access import Access, accesses
from headrace.features.plan import FeaturePlan

MAX_PARTITIONS = 512
FIXED_BYTES = 64 << 20
"""Beside the tables: the interpreter's own growth, compiled code, buffers of readers and writers."""
TABLE_FACTOR = 2.0
"""A table that is computed on is there twice: as Arrow and as the arrays that kernels take."""
ROW_BYTES = 64
"""Beside its columns a row has a code, two times, a place in its group and what sorting needs."""
_LARGE = 1 / 8  # of the budget: a table that takes more is cut
_SPREAD = 2.0  # the fullest partition of a hash holds less than twice the average, unless single keys are heavy


@dataclass(frozen=True)
class TableSize:
    """How large a table is, as far as a plan reads it."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class Group:
    """Features that are computed together.

    Attributes:
        features: their names.
        on: the spine's key columns that it is partitioned by; none for chunks of spine rows in their order.
        by: the key columns of the tables that are partitioned, by table.
        pieces: number of partitions, or of chunks.
        rows: most spine rows computed at once.
    """

    features: tuple[str, ...]
    on: tuple[str, ...]
    by: Mapping[str, tuple[str, ...]]
    pieces: int
    rows: int

    def to_json(self) -> dict[str, Any]:
        """As JSON data, to tell whether a later run cuts the work in the same way."""
        return {**asdict(self), "by": {table: list(columns) for table, columns in sorted(self.by.items())}}


def lay_out(
    plan: FeaturePlan, features: Sequence[str], sizes: Mapping[str, TableSize], memory_bytes: int
) -> tuple[Group, ...]:
    """Cut the work.

    Args:
        plan: what is computed.
        features: which of its features.
        sizes: size of every table the plan reads, the spine included.
        memory_bytes: what the whole process may take.

    Raises:
        ExhaustedError: some features need more of the tables at once than fits; the message names them.
    """
    budget = memory_bytes - FIXED_BYTES
    spine = sizes[plan.spine]
    whole = sum(working_bytes(size) for size in sizes.values()) + 4 * spine.rows * len(features)
    if whole <= budget:
        return (Group(tuple(features), (), {}, 1, max(1, spine.rows)),)
    large = {table for table, size in sizes.items() if working_bytes(size) > budget * _LARGE}
    chunked, keyed = _sorted_out(plan, features, large)
    groups = [_chunks(plan, chunked, sizes, budget)] if chunked else []
    return (*groups, *(_partitions(plan, cut, sizes, budget) for cut in keyed))


def lay_out_evenly(
    plan: FeaturePlan, features: Sequence[str], sizes: Mapping[str, TableSize], pieces: int
) -> tuple[Group, ...]:
    """Cut everything that can be cut into so many pieces, whatever its size: to show that the cut does not matter.

    Args:
        plan: what is computed.
        features: which of its features.
        sizes: size of every table the plan reads, the spine included.
        pieces: how many.
    """
    chunked, keyed = _sorted_out(plan, features, set(sizes))
    spine_rows = sizes[plan.spine].rows
    rows = max(1, -(-spine_rows // pieces))
    groups = [Group(tuple(chunked), (), {}, max(1, -(-spine_rows // rows)), rows)] if chunked else []
    return (*groups, *(Group(tuple(cut.names), cut.on, cut.by, pieces, rows) for cut in keyed))


@dataclass
class _Cut:
    """Features whose large tables are partitioned alike."""

    names: list[str]
    on: tuple[str, ...]
    by: dict[str, tuple[str, ...]]


def _sorted_out(plan: FeaturePlan, features: Sequence[str], large: set[str]) -> tuple[list[str], list[_Cut]]:
    """Features that are computed in chunks of the spine, and those that share a partitioning."""
    chunked: list[str] = []
    cuts: list[_Cut] = []
    for feature in features:
        wanted = _one_partitioning([access for access in accesses(plan, feature) if access.table in large])
        if wanted is None:
            chunked.append(feature)
            continue
        on, by = wanted
        for cut in cuts:
            if cut.on == on and all(cut.by.get(table, columns) == columns for table, columns in by.items()):
                cut.names.append(feature)
                cut.by.update(by)
                break
        else:
            cuts.append(_Cut([feature], on, by))
    return chunked, cuts


def _one_partitioning(large: Sequence[Access]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]] | None:
    """The keys of the spine and of the large tables by which all can be cut alike, or None where there are none."""
    on = {access.on for access in large}
    by = {access.table: access.by for access in large}
    alike = len(on) == 1 and len(by) == len(large)
    return (next(iter(on)), by) if alike and next(iter(on)) else None


def _chunks(plan: FeaturePlan, names: Sequence[str], sizes: Mapping[str, TableSize], budget: float) -> Group:
    read = {access.table for name in names for access in accesses(plan, name)}
    kept = sum(working_bytes(sizes[table]) for table in read)
    if kept > budget * 0.75:
        raise ExhaustedError(
            f"features {_some(names)} read all of {', '.join(f'{t!r}' for t in sorted(read))} at once: about "
            f"{megabytes(kept)}, of {megabytes(budget)} that are left",
            hint="give more memory with --memory: windows without keys, and features that read large tables by "
            "different keys, cannot be cut into partitions",
        )
    spine = sizes[plan.spine]
    row_bytes = working_bytes(spine) / max(1, spine.rows) + 8 * len(names)
    rows = max(1, min(spine.rows, int((budget - kept) / 2 / row_bytes)))
    return Group(tuple(names), (), {}, max(1, -(-spine.rows // rows)), rows)


def _partitions(plan: FeaturePlan, chosen: _Cut, sizes: Mapping[str, TableSize], budget: float) -> Group:
    names, on, by = chosen.names, chosen.on, chosen.by
    read = {access.table for name in names for access in accesses(plan, name)}
    kept = sum(working_bytes(sizes[table]) for table in read - set(by))
    spine = sizes[plan.spine]
    shares_spine = by.get(plan.spine) == on
    cut = sum(working_bytes(sizes[table]) for table in by)
    cut += (0 if shares_spine else working_bytes(spine)) + 8 * spine.rows * len(names)
    room = budget - kept
    if room <= budget / 8:
        raise ExhaustedError(
            f"features {_some(names)} keep about {megabytes(kept)} of small tables, of "
            f"{megabytes(budget)} that are left",
            hint="give more memory with --memory",
        )
    pieces = min(MAX_PARTITIONS, max(2, int(_SPREAD * cut / room) + 1))
    return Group(tuple(names), on, by, pieces, max(1, spine.rows))


def working_bytes(size: TableSize) -> float:
    """What a table takes while it is computed on."""
    return TABLE_FACTOR * size.bytes + ROW_BYTES * size.rows


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def megabytes(count: float) -> str:
    """An amount of memory for people."""
    return f"{count / 1e6:,.0f} MB"
