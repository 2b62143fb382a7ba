"""Sorts and bounds on a device do no more than is needed; that their bits are the CPU's is shown in test_cuda.py."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, Groups
from headrace_kernels.cuda import device, frames, grouping, rows
from headrace_kernels.cuda.device import OutOfMemoryError

sys.path.insert(0, str(Path(__file__).parent / "devices"))
from emulated_device import COMPILER, EmulatedDevice

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the emulator cannot be built")
N_ROWS, N_KEYS = 300, 5


class CountingDevice(EmulatedDevice):
    """An emulated device that knows which kernels it ran."""

    def __init__(self):
        super().__init__()
        self.kernels = Counter()

    def launch(self, source, kernel, blocks, threads, arguments):
        self.kernels[kernel] += 1
        super().launch(source, kernel, blocks, threads, arguments)


@pytest.fixture
def counting():
    with device.use(CountingDevice()) as used:
        yield used


def group(codes, time, known=None):
    lines = device.put(np.arange(N_ROWS, dtype=np.int32))
    times = EventTimes(device.put(time), None if known is None else device.put(known), 0, 1, None)
    return grouping.group_events(lines, device.put(codes.astype(np.int32)), 0, N_KEYS, times)


def test_rows_that_are_in_order_are_not_sorted(counting):
    group(np.arange(N_ROWS) * N_KEYS // N_ROWS, np.arange(N_ROWS))
    assert counting.kernels["move_digits"] == 0


def test_where_times_are_in_order_only_keys_are_sorted(counting):
    group(np.arange(N_ROWS) % N_KEYS, np.arange(N_ROWS) << 40)
    assert counting.kernels["move_digits"] == 1


def test_bits_that_all_times_share_are_not_sorted(counting):
    time = np.arange(N_ROWS)[::-1] << 40
    group(np.arange(N_ROWS) % N_KEYS, time + 12_345)
    assert counting.kernels["move_digits"] == 2  # 9 bits of time, 3 of keys


def test_ties_are_sorted_only_where_they_came_in_another_order(counting):
    codes, time = np.arange(N_ROWS) % N_KEYS, np.arange(N_ROWS) // 50
    group(codes, time, known=np.arange(N_ROWS))
    assert counting.kernels["place_events"] == 1
    group(codes, time, known=np.arange(N_ROWS)[::-1])
    assert counting.kernels["place_events"] == 3


@pytest.mark.parametrize("width_us", [1, 10_000, 10**9])
def test_a_bound_costs_one_launch_of_the_same_size_whatever_the_window(counting, width_us):
    time = device.put(np.arange(N_ROWS) * 100)
    groups = Groups(device.put(np.array([0, N_ROWS])), device.put(np.arange(N_ROWS)))
    events, queries = GroupedEvents(groups, time, time, ordered=True), GroupedQueries(groups, time)
    last = frames.bound_visible(events, queries)
    first = device.get(frames.bound_width(events, queries, width_us, last, inclusive=True))
    assert np.array_equal(first, np.searchsorted(np.arange(N_ROWS) * 100, np.arange(N_ROWS) * 100 - width_us))
    assert counting.kernels == {"find_visible": 1, "find_within": 1}


def test_a_sort_that_does_not_fit_the_device_says_so(counting):
    counting.free_bytes = 8 * N_ROWS - 1
    with pytest.raises(OutOfMemoryError, match="do not fit"):
        group(np.zeros(N_ROWS), np.arange(N_ROWS)[::-1])


def test_a_copy_to_another_type_is_refused(counting):
    with pytest.raises(TypeError, match="float64 cannot be copied to int64"):
        rows.take_rows(device.zeros(3, np.float64), device.zeros(3, np.int64), device.zeros(3, np.int64))
    with pytest.raises(TypeError, match="int16 cannot be copied"):
        rows.take_rows(device.zeros(3, np.int16), device.zeros(3, np.int64), device.zeros(3, np.int16))
