"""Categories in windows on the device: how many different ones.

The CPU follows what enters and leaves, one move after another; here every window is asked for itself. An event counts
where the previous event of its key and category comes before the window, or is not there: places whose link is below a
bound, which a wavelet matrix over the links counts, whatever the window's length. The query's own event counts where
its category is not in the window, which a search among the sorted categories says.

Where visibility is not ordered, the events of the range that the query does not see yet are gone through, and the
categories of which it sees none are taken away: that costs what is not seen yet, not what the window holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace_kernels.arrays import GroupedEvents, Statistic, StatisticRequest, WindowFrames
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.frames import SEARCH_TILE
from headrace_kernels.cuda.radix import sort_pairs
from headrace_kernels.cuda.requests import request_arguments, require_support, window_arguments
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.unseen import latest_visible
from headrace_kernels.cuda.wavelet import Wavelet, build_wavelet, longest_group

SOURCE = Source("categories")
SUPPORTED = frozenset({Statistic.DISTINCT})
"""Statistics that this module computes, of windows with and without ordered visibility."""
_NEVER = 2**32 - 1


@dataclass(frozen=True)
class CategoryIndex:
    """What all windows over some events and categories share.

    Attributes:
        previous: links to the previous event of the same key and category.
        keys: uint64[n_events], categories, sorted.
        places: int32[n_events], the places that have them; None where they are in their own order.
        slots: int32[n_events], where each place stands among them; None where visibility is ordered.
        latest: last times of visibility, as `unseen.py` makes them; None where visibility is ordered.
    """

    previous: Wavelet
    keys: DeviceArray
    places: DeviceArray | None
    slots: DeviceArray | None
    latest: DeviceArray | None


def index_categories(events: GroupedEvents, codes: DeviceArray, n_codes: int) -> CategoryIndex:
    """Sort events by category and link each to the previous one.

    Complexity: O(n_events * (log(n_codes) + log(longest group))). Moves 32 bytes an event and 8 bits of a code, and 13
    bytes an event and bit of the longest group's length. The index takes 12 bytes an event (16 where visibility is
    not ordered) and a quarter of a byte a bit.

    Args:
        events: grouped events, fewer than 2**31.
        codes: int32[n_events], category by place in [0, n_codes), -1 = null.
        n_codes: categories.
    """
    n_events, starts = len(codes), events.groups.starts
    keys = device.empty(n_events, np.uint64)
    SOURCE.launch("category_keys", n_events, codes, n_events, n_codes, keys)
    keys, places = sort_pairs(keys, None, 0, n_codes.bit_length())
    n_levels, previous = longest_group(starts).bit_length(), device.empty(n_events, np.uint32)
    slots = None if events.ordered else device.empty(n_events, np.int32)
    SOURCE.launch("link_previous", n_events, keys, places, n_events, n_codes, _NEVER, previous, slots)
    blocks, most = -(-n_events // SEARCH_TILE), (1 << n_levels) - 1
    SOURCE.launch_blocks("bound_links", blocks, starts, len(starts) - 1, n_events, _NEVER, most, previous)
    latest = None if events.ordered else latest_visible(events.visible_at)
    return CategoryIndex(build_wavelet(previous, n_levels), keys, places, slots, latest)


def aggregate_categories(
    frames: WindowFrames,
    codes: DeviceArray,
    values: DeviceArray,
    hashes: DeviceArray,  # noqa: ARG001  # the sketch's
    requests: Sequence[StatisticRequest],
    out: DeviceArray,
    *,
    index: CategoryIndex | None = None,
) -> None:
    """Write DISTINCT of every window; see the reference for the policy.

    Complexity: that of the index, and O(queries * log(longest group)), whatever the windows' length; 64 bytes read a
    query and bit of the longest group's length. Where visibility is not ordered, events of the window that the query
    does not see yet come to that.

    Args:
        frames: windows.
        codes: int32[n_events], category by place in [0, n_codes), -1 = null.
        values: float64[n_codes].
        hashes: uint64[n_codes]; not read.
        requests: what to write into which row of `out`: DISTINCT alone.
        out: float32 or float64[n_requests, n_queries], result.
        index: of the same events and codes, where several frames share it.

    Raises:
        UnsupportedStatisticError: a request for another statistic.
    """
    require_support(requests, SUPPORTED)
    known = index or index_categories(frames.events, codes, len(values))
    starts = frames.events.groups.starts
    SOURCE.launch(
        "count_distinct", len(frames.first), *window_arguments(frames), *known.previous.arguments, starts,
        len(starts) - 1, codes, known.keys, known.places, len(codes), known.slots, known.latest,
        *request_arguments(requests, range(len(requests)), out),
    )  # fmt: skip
