"""What is compiled, and how: one variant of a function for each dtype it is meant for, cached, without the GIL."""

from __future__ import annotations

import importlib
import os
import pkgutil
from contextlib import suppress

import numpy as np
import pytest

import headrace_kernels.cpu
from headrace_kernels.arrays import EventTimes, ExactRangeError, Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cpu import asof, extremes, frames, grouping, moments, partitions, rows
from headrace_kernels.cpu.summed_columns import SummedColumn

pytestmark = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="the JIT is off")

BUCKETED = (asof, extremes, frames, grouping, moments, partitions, rows)
SEVERAL = {"take_rows": ["bool", "float64", "int32", "int64", "int8"], "write_rows": ["float32", "float64"]}
"""Functions that are meant for more than one dtype; the first or the last argument has it."""
MOMENTS = [StatisticRequest(each) for each in Statistic if each <= Statistic.STD]
SHARE = [StatisticRequest(Statistic.SHARE, 0.5)]
EXTREMES = [StatisticRequest(each) for each in (Statistic.MIN, Statistic.MAX, Statistic.RANGE)]
NONE = np.zeros(0, dtype=np.int64)


def compiled_functions():
    """Every compiled function of the CPU kernels, by module and name."""
    found = {}
    for entry in pkgutil.iter_modules(headrace_kernels.cpu.__path__, "headrace_kernels.cpu."):
        module = importlib.import_module(entry.name)
        for name, value in vars(module).items():
            if hasattr(value, "nopython_signatures") and value.py_func.__module__ == entry.name:
                found[entry.name.rsplit(".", 1)[1], name] = value
    return found


def tables(n_rows, seed=0):
    random = np.random.default_rng(seed)
    codes = random.integers(-1, 5, n_rows).astype(np.int32)
    return codes, random.integers(0, 50, n_rows), random.integers(0, 20, n_rows), random


def run_everything(n_rows, *, late, sequence, integers, nulls, own):
    """From keys and times to rows of a matrix, as the executor does it."""
    codes, time, delays, random = tables(n_rows)
    counts = partitions.count_rows(codes, 5, lambda work, n: [work(each) for each in range(n)])
    layout = partitions.lay_out([counts], 5, 100)
    buckets, (cut_time, cut_known) = partitions.cut_rows(
        codes, counts, layout, [time, time + delays], lambda work, n: [work(each) for each in range(n)]
    )
    matrix = np.zeros((n_rows, 12), dtype=np.float32)
    for bucket in range(layout.n_buckets):
        part = buckets.of(bucket)
        mine, keys, low = buckets.rows[part], buckets.codes[part], int(layout.lows[bucket])
        n_keys = int(layout.lows[bucket + 1]) - low
        times = EventTimes(
            cut_time[part], cut_known[part] if late else None, 3, 1, cut_time[part] // 2 if sequence else None
        )
        events = grouping.group_events(mine, keys, low, n_keys, times)
        queries = grouping.group_queries(mine, keys, low, n_keys, cut_time[part])
        values = random.integers(-5, 5, n_rows) if integers else random.normal(size=n_rows)
        taken = np.empty(len(events.time), dtype=values.dtype)
        rows.take_rows(values, events.groups.rows, taken)
        column = SummedColumn(ValueColumn(taken, random.random(len(taken)) < 0.5 if nulls else None, 8))
        beyond = taken.copy()
        beyond[:1] = 2**62
        unfit = SummedColumn(ValueColumn(beyond, None, 0 if integers else 60))
        for part_of in (queries, grouping.slice_queries(queries, 1, max(1, len(queries.time) - 1))):
            compute(events, part_of, column, matrix, own=own)
            with suppress(ExactRangeError):
                compute(events, part_of, unfit, matrix, own=own)
        if events.ordered:
            matches = asof.match_states(events, queries, 30)
            asof.take_matches(np.zeros(n_rows), matches, np.empty(len(matches)))


def compute(events, queries, column, matrix, *, own):
    last = frames.bound_visible(events, queries)
    bounds = [
        frames.bound_since(events, queries, queries.time - 20, last),
        frames.bound_since(events, queries, -queries.time, last),
        frames.bound_newest(events, queries, 3, last),
        frames.bound_session(events, queries, 4, last),
    ]
    extra = np.full(len(queries.time), -1, dtype=np.int64) if own else NONE
    for first in bounds:
        moves = frames.window_moves(events, queries, first, last, extra)
        window = WindowFrames(events, queries, first, last, extra, *moves)
        block = np.empty((12, len(queries.time)), dtype=np.float64)
        moments.aggregate_moments(window, column, MOMENTS, block[: len(MOMENTS) - 2])
        moments.aggregate_moments(window, column, MOMENTS[:6] + SHARE, block[:7])
        moments.aggregate_moments(window, None, MOMENTS[:1], block[7:8])
        extremes.aggregate_extremes(window, column, EXTREMES, block[8:11])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(extremes, "MOST_LEVELS", 0)
            extremes.aggregate_extremes(window, column, EXTREMES, block[8:11])
        rows.write_rows(block, queries.groups.rows, np.arange(12), matrix)


def test_every_function_of_the_buckets_is_compiled_once_for_each_dtype_it_is_meant_for():
    """Nulls, NaN, integers, late or own events, slices and empty tables make nobody wait for another compilation."""
    plain = {"late": False, "sequence": False, "integers": False, "nulls": False, "own": False}
    run_everything(0, **plain)
    run_everything(1, **plain)
    for turned in (*plain, ""):
        run_everything(300, **{name: name == turned for name in plain})
    run_everything(300, **dict.fromkeys(plain, True))
    run_everything(300, **{**plain, "late": True, "integers": True, "nulls": True})
    for dtype in SEVERAL["take_rows"]:
        rows.take_rows(np.zeros(3, dtype), np.zeros(2, np.int64), np.zeros(2, dtype))
    rows.write_rows(np.zeros((1, 1)), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((1, 1), np.float64))
    used = {*(module.__name__.rsplit(".", 1)[1] for module in BUCKETED), "scaling", "summed_columns"}
    functions = {key: function for key, function in compiled_functions().items() if key[0] in used}
    inner = {name for function in functions.values() for name in function.py_func.__code__.co_names}
    assert len(functions) > 30
    for (module, name), function in functions.items():
        # results go to a float32 block, or to a float64 one where an expression reads them
        signatures = {str(signature).replace("float32", "float64") for signature in function.nopython_signatures}
        most = len({str(dtype).replace("float32", "float64") for dtype in SEVERAL.get(name, ("one",))})
        assert len(signatures) <= most, (module, name, signatures)
        assert len(signatures) == most or name in inner, f"{module}.{name} was not called"


def test_every_compiled_function_is_cached_and_free_of_the_gil_and_keeps_ieee_arithmetic():
    functions = compiled_functions()
    assert len(functions) > 40
    for name, function in functions.items():
        options = function.targetoptions
        assert options["nogil"], name
        assert options["nopython"], name
        assert options["error_model"] == "numpy", name
        assert not options.get("fastmath"), name
        assert not options.get("parallel"), name
        assert function._cache.cache_path, name
