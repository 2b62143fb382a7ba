"""Quantiles of windows on the device: ranks found by one sort, and the k-th smallest rank of a range of places.

The CPU counts the ranks that enter and leave; here every window is asked for itself. Values have ranks in their key's
group, and a wavelet matrix over them finds the k-th smallest of any range, and the next one, whatever the range's
length. Nulls and NaN are left out of the matrix and counted beside it. Where visibility is not ordered, events of the
range that the query does not see yet are looked at on every level, and not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace_kernels.arrays import GroupedEvents, Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.frames import keys_of
from headrace_kernels.cuda.radix import sort_pairs
from headrace_kernels.cuda.requests import column_arguments, request_arguments, require_support, window_arguments
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.unseen import latest_visible
from headrace_kernels.cuda.wavelet import Wavelet, build_wavelet, longest_group

SOURCE = Source("quantiles")
SUPPORTED = frozenset({Statistic.QUANTILE})
"""Statistics that this module computes, of windows with and without ordered visibility."""
_THREADS = 128


@dataclass(frozen=True)
class QuantileIndex:
    """What all windows over some events and a column share.

    Attributes:
        ranks: of the values that are neither null nor NaN, in the order of their places.
        before: int64[n_events + 1], such values before each place in the low half, NaN in the high one.
        ranked: float64[n_values], by key and rank.
        rank_of: uint32[n_values], in the order of their places; None where visibility is ordered.
        latest: last times of visibility, as `unseen.py` makes them; None where visibility is ordered.
    """

    ranks: Wavelet
    before: DeviceArray
    ranked: DeviceArray
    rank_of: DeviceArray | None
    latest: DeviceArray | None


def index_quantiles(events: GroupedEvents, column: ValueColumn) -> QuantileIndex:
    """Rank a column's values by key.

    Complexity: O(n_events * (64 + log(keys) + log(longest group))). Moves 32 bytes a value and 8 bits sorted (those in
    which values differ, then those of the key), 13 a value and bit of the longest group's length, and 120 beside. The
    index takes 16 bytes an event (20 where visibility is not ordered) and a quarter of a byte a bit.

    Args:
        events: grouped events, fewer than 2**31.
        column: values by place.
    """
    n_events, starts = len(events.time), events.groups.starts
    n_keys = len(starts) - 1
    floats, integers, valid = column_arguments(column)
    kinds = device.empty(n_events, np.int64)
    SOURCE.launch("classify_values", n_events, floats, integers, valid, n_events, kinds)
    before = scan.prefix_sums(kinds)
    n_values = int(device.get(before[n_events:])[0]) & 0xFFFFFFFF
    keys, places, differing = (
        device.empty(n_values, np.uint64), device.empty(n_values, np.int32), device.zeros(1, np.uint64),
    )  # fmt: skip
    SOURCE.launch("collect_values", n_events, floats, integers, before, n_events, keys, places, differing)
    bits = int(device.get(differing)[0])
    keys, places = sort_pairs(keys, places, (bits & -bits).bit_length() - 1 if bits else 0, bits.bit_length())
    if n_keys > 1:
        SOURCE.launch("take_groups", n_values, keys_of(starts, n_events), places, n_values, keys)
        _, places = sort_pairs(keys, places, 0, (n_keys - 1).bit_length())
    ranks, ranked = device.empty(n_values, np.uint32), device.empty(n_values, np.float64)
    rank_of = None if events.ordered else device.empty(n_values, np.uint32)
    SOURCE.launch(
        "rank_values", n_values, places, before, n_values, starts, n_keys, floats, integers, ranks, rank_of, ranked
    )  # fmt: skip
    n_levels = max(longest_group(starts) - 1, 0).bit_length()
    latest = None if events.ordered else latest_visible(events.visible_at)
    return QuantileIndex(build_wavelet(ranks, n_levels), before, ranked, rank_of, latest)


def aggregate_quantiles(
    frames: WindowFrames,
    column: ValueColumn,
    requests: Sequence[StatisticRequest],
    out: DeviceArray,
    *,
    index: QuantileIndex | None = None,
) -> None:
    """Write quantiles of every window, interpolated between neighbours; see the reference for the policy.

    Complexity: that of the index, and O(queries * requests * log(longest group)), whatever the windows' length; 64
    bytes read a request and bit of the longest group's length, at most twice. Where visibility is not ordered, each bit
    costs the events of the window that the query does not see yet as well.

    Args:
        frames: windows.
        column: values by place.
        requests: QUANTILE with `parameter` p in [0, 1]; what to write into which row of `out`.
        out: float32 or float64[n_requests, n_queries], result.
        index: of the same events and column, where several frames share it.

    Raises:
        UnsupportedStatisticError: a request for another statistic.
    """
    require_support(requests, SUPPORTED)
    known = index or index_quantiles(frames.events, column)
    starts = frames.events.groups.starts
    SOURCE.launch(
        "interpolate", len(frames.first), *window_arguments(frames), *known.ranks.arguments, starts, len(starts) - 1,
        known.before, known.ranked, known.rank_of, known.latest, len(frames.events.time),
        *request_arguments(requests, range(len(requests)), out), threads=_THREADS,
    )  # fmt: skip
