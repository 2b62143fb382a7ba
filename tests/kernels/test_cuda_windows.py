"""Sums and extremes on a device do no work twice, and none that nobody asked for; bits are compared by test_cuda.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from headrace_kernels.arrays import ExactRangeError, Statistic, StatisticRequest, ValueColumn
from headrace_kernels.conformance.worlds import make_world, to_device
from headrace_kernels.cuda import device
from headrace_kernels.cuda.extremes import aggregate_extremes
from headrace_kernels.cuda.moments import aggregate_moments
from headrace_kernels.cuda.summed_columns import SummedColumn

sys.path.insert(0, str(Path(__file__).parent / "devices"))
from emulated_device import COMPILER, EmulatedDevice

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the emulator cannot be built")
HOUR = 3_600_000_000
SIZE = 3000
SUMS = [StatisticRequest(each) for each in (Statistic.COUNT, Statistic.SUM, Statistic.MEAN)]
MOMENTS = [*SUMS, StatisticRequest(Statistic.STD)]
EXTREMES = [StatisticRequest(Statistic.MIN), StatisticRequest(Statistic.MAX)]


class Recorder(EmulatedDevice):
    """Writes down which kernels are launched, how much memory is taken, and how often the host waits."""

    def __init__(self):
        super().__init__()
        self.kernels, self.taken, self.waits = [], 0, 0

    def launch(self, source, kernel, *arguments):
        self.kernels.append(kernel)
        super().launch(source, kernel, *arguments)

    def empty(self, shape, dtype):
        array = super().empty(shape, dtype)
        self.taken += array.nbytes
        return array

    def get(self, array, out=None):
        self.waits += 1
        return super().get(array, out)


@pytest.fixture
def recorder():
    with device.use(Recorder()) as made:
        yield made


def run(aggregate, frames, column, requests):
    out = device.empty((len(requests), len(frames.first)), np.float32)
    aggregate(frames, column, requests, out)
    return out


def prepared(values, *, hours=24):
    world = make_world(np.random.default_rng(1), SIZE, n_keys=3)
    return to_device(world.frames(hours * HOUR)), SummedColumn(to_device(ValueColumn(values, None, 8)))


def test_sums_without_variances_compute_no_squares(recorder):
    frames, column = prepared(np.arange(SIZE) * 0.5)
    run(aggregate_moments, frames, column, SUMS)
    assert column.sums(squared=False)[1] is None
    run(aggregate_moments, frames, column, MOMENTS)
    sums, squares = column.sums(squared=True)
    assert squares.shape == (SIZE + 1, 2)
    assert column.sums(squared=False)[0] is sums


def test_another_window_of_a_column_is_one_kernel_for_all_its_sums(recorder):
    frames, column = prepared(np.arange(SIZE) * 0.5)
    run(aggregate_moments, frames, column, MOMENTS)
    recorder.kernels.clear()
    recorder.waits = 0
    run(aggregate_moments, frames, column, MOMENTS)
    assert (recorder.kernels, recorder.waits) == (["aggregate_moments"], 0)


def test_counts_look_at_no_value(recorder):
    frames, column = prepared(np.arange(SIZE))
    run(aggregate_moments, frames, column, SUMS[:1])
    assert recorder.kernels == ["aggregate_moments"]


def test_a_month_of_extremes_launches_what_an_hour_does_but_for_levels_of_tiles(recorder):
    hour, column = prepared(np.arange(SIZE) * 0.5, hours=1)
    run(aggregate_extremes, hour, column, EXTREMES)
    month, _ = prepared(np.zeros(0), hours=720)
    recorder.kernels.clear()
    run(aggregate_extremes, month, column, EXTREMES)
    assert set(recorder.kernels) == {"longest_range", "first_level", "next_level", "aggregate_extremes"}
    recorder.kernels.clear()
    run(aggregate_extremes, hour, column, EXTREMES)
    assert recorder.kernels == ["longest_range", "aggregate_extremes"]


def test_tiles_keep_as_many_bytes_an_event_as_they_say(recorder):
    frames, column = prepared(np.arange(SIZE) * 0.5, hours=1000)
    run(aggregate_extremes, frames, column, EXTREMES)
    tiles = column.tiles(SIZE, largest=True)
    levels = len(tiles.table)
    assert levels <= (SIZE // 16).bit_length()
    assert tiles.stretches.nbytes + tiles.table.nbytes <= SIZE * (8 + levels / 2)


def test_one_side_alone_takes_no_memory_for_the_other(recorder):
    frames, column = prepared(np.arange(SIZE) * 0.5)
    before = recorder.taken
    run(aggregate_extremes, frames, column, EXTREMES[:1])
    assert recorder.taken - before < SIZE * 16


def test_a_sum_beyond_the_exact_range_is_refused_before_anything_is_summed(recorder):
    frames, column = prepared(np.full(SIZE, 2.0**54), hours=1000)
    with pytest.raises(ExactRangeError, match="leave the exact range of sums at a resolution of 2\\*\\*-8"):
        run(aggregate_moments, frames, column, SUMS)
    assert "scan_integers" not in recorder.kernels


def test_one_outlier_makes_no_query_look_through_its_window(recorder):
    values = np.arange(SIZE) * 0.5
    values[1] = 2.0**54
    frames, column = prepared(values, hours=1)
    run(aggregate_moments, frames, column, SUMS)
    assert "survey_ranges" in recorder.kernels
    assert "survey_events" not in recorder.kernels
