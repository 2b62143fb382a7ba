"""Where each query's window begins and ends among the events of its key, on the device.

A block answers for 1,024 neighbouring queries: two warps search for the first and the last one, every thread then
looks between what they found. So a bound costs O(log(events between a tile's first and last query)) a query, whatever
the window's length. It moves about 24 bytes a query (its time, the other bound, the result) and, where queries are
dense, 8 bytes an event.
"""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.scan import TILE, n_tiles
from headrace_kernels.cuda.source import Source

SOURCE = Source("frames")
SEARCH_TILE = 1024
"""Queries that a block answers for, as in search.cuh."""


def keys_of(starts: DeviceArray, count: int) -> DeviceArray:
    """Key of each place: int32[count]. Complexity: O(count); writes 4 bytes a place.

    Args:
        starts: int64[n_keys + 1].
        count: places, the last of the starts.
    """
    keys = device.empty(count, np.int32)
    _launch("find_keys_of", count, starts, len(starts) - 1, count, keys)
    return keys


def bound_visible(events: GroupedEvents, queries: GroupedQueries) -> DeviceArray:
    """Place after the last event that each query may see; see the reference."""
    limit = events.visible_at if events.ordered else events.time
    last, starts, count = _places(queries)
    _launch("find_visible", count, events.groups.starts, limit, starts, len(starts) - 1, queries.time, count, last)
    return last


def bound_since(events: GroupedEvents, queries: GroupedQueries, oldest: DeviceArray, last: DeviceArray) -> DeviceArray:
    """Place of the first event not older than a bound; see the reference.

    Complexity: as `bound_visible`; O(log(events of a key)) a query whose bound falls out of its tile's.
    """
    first, starts, count = _places(queries)
    _launch(
        "find_since", count, events.groups.starts, events.time, starts, len(starts) - 1, oldest, last, count, first
    )  # fmt: skip
    return first


def bound_width(
    events: GroupedEvents, queries: GroupedQueries, width_us: int, last: DeviceArray, *, inclusive: bool
) -> DeviceArray:
    """Place of the first event of windows of one width; as `bound_since`, without an array of bounds.

    Args:
        events: grouped events.
        queries: grouped queries.
        width_us: how far back windows reach from their query.
        last: int64[n_queries], from `bound_visible`.
        inclusive: whether an event exactly so long ago counts.

    Returns:
        int64[n_queries], never after `last`.
    """
    first, starts, count = _places(queries)
    reach = width_us + 1 if inclusive else width_us
    _launch(
        "find_within", count, events.groups.starts, events.time, starts, len(starts) - 1, queries.time, reach, last,
        count, first,
    )  # fmt: skip
    return first


def bound_newest(events: GroupedEvents, queries: GroupedQueries, n_events: int, last: DeviceArray) -> DeviceArray:
    """Place of the n-th newest visible event; see the reference.

    Complexity: O(queries) where visibility is ordered, else O(n + events not yet visible) a query.
    """
    first, starts, count = _places(queries)
    n_keys = len(starts) - 1
    if events.ordered:
        _launch("find_newest", count, events.groups.starts, starts, n_keys, n_events, last, count, first)
        return first
    _launch(
        "find_newest_unordered", count, events.groups.starts, events.visible_at, starts, n_keys, queries.time, n_events,
        last, count, first,
    )  # fmt: skip
    return first


def bound_session(events: GroupedEvents, queries: GroupedQueries, gap_us: int, last: DeviceArray) -> DeviceArray:
    """Place of the first event of the open session; see the reference.

    Complexity: O(events + queries) where visibility is ordered, 24 bytes an event; else O(events of the session) a
    query.
    """
    first, starts, count = _places(queries)
    n_keys = len(starts) - 1
    if events.ordered:
        heads = _session_heads(events.time, gap_us)
        _launch(
            "find_session", count, events.groups.starts, events.time, heads, starts, n_keys, queries.time, gap_us, last,
            count, first,
        )  # fmt: skip
        return first
    _launch(
        "find_session_unordered", count, events.groups.starts, events.time, events.visible_at, starts, n_keys,
        queries.time, gap_us, last, count, first,
    )  # fmt: skip
    return first


def own_events(events: GroupedEvents, queries: GroupedQueries, first_row: int, n_rows: int) -> DeviceArray:
    """Place of the event that each query is itself: `WindowFrames.extra` where a row counts itself.

    Complexity: O(n_rows + events + queries); 8 bytes a row of the table, 16 an event and a query, and a sector of 32
    for each of them where rows are far apart.

    Args:
        events: grouped events.
        queries: grouped queries.
        first_row: row of the event table that the spine's row 0 is.
        n_rows: rows of the event table.

    Returns:
        int64[n_queries], -1 where the row takes no part.
    """
    places, count = device.empty(n_rows, np.int64), len(queries.time)
    SOURCE.launch("forget_places", n_rows, places, n_rows)
    SOURCE.launch("note_places", len(events.time), events.groups.rows, len(events.time), places)
    found = device.empty(count, np.int64)
    SOURCE.launch("look_up_places", count, queries.groups.rows, first_row, count, places, n_rows, found)
    return found


def latest_before(places: DeviceArray) -> DeviceArray:
    """The largest of the numbers before each one, -1 before the first: int64[n] of int64[n], none below -1."""
    count = len(places)
    before, offsets = device.empty(count, np.int64), None
    if count > TILE:
        totals = device.empty(n_tiles(count), np.int64)
        SOURCE.launch_blocks("total_latest", n_tiles(count), places, count, totals)
        offsets = latest_before(totals)
    SOURCE.launch_blocks("scan_latest", n_tiles(count), places, count, offsets, before)
    return before


def _session_heads(time: DeviceArray, gap_us: int) -> DeviceArray:
    """First place of each event's session, keys left out of account: int64[n_events]."""
    count = len(time)
    heads, offsets = device.empty(count, np.int64), None
    if count > TILE:
        totals = device.empty(n_tiles(count), np.int64)
        SOURCE.launch_blocks("total_heads", n_tiles(count), time, gap_us, count, totals)
        offsets = latest_before(totals)
    SOURCE.launch_blocks("scan_heads", n_tiles(count), time, gap_us, count, offsets, heads)
    return heads


def _places(queries: GroupedQueries) -> tuple[DeviceArray, DeviceArray, int]:
    """Room for a place a query, where the queries' keys begin, and how many queries there are."""
    count = len(queries.time)
    return device.empty(count, np.int64), queries.groups.starts, count


def _launch(kernel: str, count: int, *arguments: DeviceArray | int) -> None:
    SOURCE.launch_blocks(kernel, -(-count // SEARCH_TILE), *arguments)
