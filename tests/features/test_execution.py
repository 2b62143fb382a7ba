"""The executor: what a row is told is what was known at its query time, and does not depend on how it is computed."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import headrace.features as hr
from headrace.core.errors import InvalidInputError
from headrace.features.plan import WindowStep

HOUR_US = 3_600_000_000


@pytest.mark.parametrize("seed", range(3))
def test_every_window_value_equals_a_plain_python_recomputation(plan, world, naive, seed):
    tables = world(seed)
    matrix, plain = hr.compute(plan, tables), naive(tables)
    windows = [feature.name for feature in plan.features if isinstance(feature.step, WindowStep)]
    random = np.random.default_rng(seed)
    for row in random.choice(len(matrix.values), 12, replace=False):
        for name in windows:
            expected, got = np.float32(plain.value(row, name)), matrix.column(name)[row]
            assert got == expected or (math.isnan(got) and math.isnan(expected)), (name, row, got, expected)


def test_nothing_that_becomes_known_after_q_changes_a_feature_at_q(plan, tables, equal):
    """The leak test: every later event is perturbed, one query after the other."""
    before = hr.compute(plan, tables)
    flights, weather = tables["flights"], tables["weather"]
    for row in range(0, flights.num_rows, 7):
        now = int(before.query_time[row])
        landed = pc.cast(flights["arrives_at"], pa.int64())
        # what may be seen: landed by now (for landings, and for flights), or a start before now (for starts)
        hidden_landing = pc.fill_null(pc.greater(landed, now), fill_value=True).to_numpy()
        hidden_start = pc.greater_equal(pc.cast(flights["departs_at"], pa.int64()), now).to_numpy()
        changed = perturb(flights, "arr_delay", hidden_landing, 9999)
        changed = perturb(changed, "fuel", hidden_landing & hidden_start, 9999.0)
        changed = perturb(
            changed, "arrives_at", hidden_landing & (landed.to_numpy(zero_copy_only=False) > now), now + 5
        )
        late = pc.greater(pc.add(pc.cast(weather["observed_at"], pa.int64()), HOUR_US // 2), now).to_numpy()
        after = hr.compute(
            plan,
            {**tables, "flights": changed, "weather": perturb(weather, "temp", late, 99.0)},
            spine=flights.slice(row, 1),
        )
        assert equal(after.values[0], before.values[row]), [
            name for name, a, b in zip(after.names, after.values[0], before.values[row], strict=True) if a != b
        ]


def test_appending_future_events_changes_no_past_bit(plan, world, equal):
    tables, more = world(2), world(3)
    before = hr.compute(plan, tables)
    latest = int(before.query_time.max())
    shifted = more["flights"]
    for column in ("departs_at", "arrives_at"):
        late = pc.cast(
            pc.add(pc.cast(shifted[column], pa.int64()), latest - 1_362_700_800_000_000), shifted[column].type
        )
        shifted = shifted.set_column(shifted.column_names.index(column), column, late)
    grown = {**tables, "flights": pa.concat_tables([tables["flights"], shifted])}
    assert equal(hr.compute(plan, grown).values[: len(before.values)], before.values)


def test_a_selection_of_rows_gets_the_bits_it_gets_among_all(plan, tables, equal):
    together = hr.compute(plan, tables)
    chosen = np.random.default_rng(0).permutation(tables["flights"].num_rows)[:40]
    alone = hr.compute(plan, tables, spine=tables["flights"].take(chosen))
    assert equal(alone.values, together.values[chosen])
    assert (alone.query_time == together.query_time[chosen]).all()


def test_threads_row_order_chunks_and_buckets_change_no_bit(plan, tables, equal, monkeypatch):
    together = hr.compute(plan, tables, threads=1)
    assert equal(hr.compute(plan, tables, threads=2).values, together.values)
    for rows in (1, 7):
        monkeypatch.setattr("headrace.features.executor.key_groups._BUCKET_ROWS", rows)
        assert equal(hr.compute(plan, tables, threads=2).values, together.values)
    monkeypatch.setattr("headrace_kernels.cpu.partitions._BINS", 2)
    monkeypatch.setattr("headrace_kernels.cpu.partitions._CHUNK_ROWS", 11)
    assert equal(hr.compute(plan, tables, threads=3).values, together.values)
    flights = tables["flights"]
    chunked = pa.concat_tables([flights.slice(0, 50), flights.slice(50, 1), flights.slice(51)])
    assert equal(hr.compute(plan, {**tables, "flights": chunked}).values, together.values)
    shuffle = np.random.default_rng(0).permutation(flights.num_rows)
    shuffled = hr.compute(plan, {**tables, "flights": flights.take(shuffle)})
    assert equal(shuffled.values, together.values[shuffle])


def test_empty_tables_give_empty_windows(plan, tables):
    empty = {name: table.slice(0, 0) for name, table in tables.items()}
    assert hr.compute(plan, empty).values.shape == (0, len(plan.features))
    matrix = hr.compute(plan, empty, spine=tables["flights"])
    for feature in plan.features:
        values = matrix.column(feature.name)
        if feature.role == "window":
            counts = feature.step.statistic in {"count", "count_non_null"}
            assert (values == 0).all() if counts else np.isnan(values).all(), feature.name
        elif feature.role == "state":
            assert np.isnan(values).all()


def test_states_are_the_last_known_and_none_older_than_the_tolerance(plan, tables):
    matrix = hr.compute(plan, tables)
    rows = tables["weather"].to_pylist()
    for row, origin in enumerate(tables["flights"]["origin"].to_pylist()):
        now = int(matrix.query_time[row])
        known = [
            (int(state["observed_at"].timestamp() * 1e6), place, state["temp"])
            for place, state in enumerate(rows)
            if state["origin"] == origin and int(state["observed_at"].timestamp() * 1e6) + HOUR_US // 2 <= now
        ]
        since, _, temp = max(known, default=(None, None, None))
        fresh = since is not None and now - since <= 6 * HOUR_US
        for name, expected in (("old_weather_temp", temp), ("weather_temp", temp if fresh else None)):
            got = matrix.column(name)[row]
            assert math.isnan(got) if expected is None else got == np.float32(expected), (name, row)


def test_lookups_calendar_and_expressions_read_the_row_itself(plan, tables):
    matrix = hr.compute(plan, tables)
    planes = {plane["tailnum"]: plane for plane in tables["planes"].to_pylist()}  # of several rows the last wins
    for row, flight in enumerate(tables["flights"].to_pylist()):
        plane = planes.get(flight["tailnum"], {"seats": None, "year": None})
        seats, age, distance = (matrix.column(name)[row] for name in ("planes_seats", "aircraft_age", "distance"))
        assert math.isnan(seats) if plane["seats"] is None else seats == plane["seats"]
        assert math.isnan(age) if plane["year"] is None else age == 2013 - plane["year"]
        assert distance == flight["distance"]


def test_every_kernel_is_compiled_for_one_signature(plan, tables, world):
    """Nulls, Inf, whole numbers or selections never make a user wait for another compilation."""
    from headrace_kernels.cpu import asof, cyclic, extremes, frames, grouping, moments, partitions, scaling

    without_nulls = {**tables, "flights": tables["flights"].filter(pc.is_valid(tables["flights"]["arrives_at"]))}
    for given in (tables, world(5, n_flights=3), without_nulls):
        hr.compute(plan, given)
        hr.compute(plan, given, spine=given["flights"].slice(1, 1))
    kernels = [
        value
        for module in (asof, cyclic, extremes, frames, grouping, moments, partitions, scaling)
        for value in vars(module).values()
        if hasattr(value, "signatures") and value.signatures
    ]
    # results go to a float32 block, or to a float64 one where an expression reads them
    variants = {
        kernel.__name__: {str(signature).replace("float32", "float64") for signature in kernel.signatures}
        for kernel in kernels
    }
    assert not {name: found for name, found in variants.items() if len(found) > 1}


def test_a_sum_that_leaves_the_exact_range_is_an_error_with_its_column(schemas, tables):
    fine = hr.EventTable("starts", keys=["origin"], event_time="departs_at", table="flights", resolution=2**-60)
    features = [hr.windows(fine, by="origin", over="2d", values={"fuel": [hr.Sum()]})]
    plan = hr.compile_plan(hr.FeatureSet("x", spine=fine, at="departs_at", features=features), schemas)
    with pytest.raises(InvalidInputError, match="column 'fuel' of 'starts'") as caught:
        hr.compute(plan, tables)
    assert "resolution=" in caught.value.hint


def test_tables_are_checked_against_the_plan(plan, tables):
    flights = tables["flights"]
    with pytest.raises(InvalidInputError, match="reads table 'planes'"):
        hr.compute(plan, {name: table for name, table in tables.items() if name != "planes"})
    with pytest.raises(InvalidInputError, match="table 'flights' lacks column 'fuel'"):
        hr.compute(plan, {**tables, "flights": flights.drop_columns("fuel")})
    with pytest.raises(InvalidInputError, match="column 'fuel' is string, declared float64"):
        hr.compute(plan, {**tables, "flights": perturb_type(flights, "fuel", pa.string())})
    with pytest.raises(InvalidInputError, match=r"1 rows of 'flights' have no query time.*first in row 3"):
        hr.compute(plan, {**tables, "flights": perturb(flights, "departs_at", np.arange(flights.num_rows) == 3, None)})
    with pytest.raises(InvalidInputError, match="threads is 0"):
        hr.compute(plan, tables, threads=0)


def test_a_time_beyond_the_calendar_is_refused(plan, tables):
    far = perturb(tables["flights"], "departs_at", np.arange(tables["flights"].num_rows) == 0, 2**60)
    with pytest.raises(InvalidInputError, match="years 1 to 9999"):
        hr.compute(plan, {**tables, "flights": far})


def test_importing_the_definitions_loads_no_heavy_library():
    heavy = "numba", "polars", "pyarrow", "numpy"
    code = f"import sys, headrace.features; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_progress_is_reported(plan, tables):
    notes, done, promised = [], [], []

    class Recorder:
        def step(self, label, total=None):
            promised.append(total)
            notes.append(label)
            return self

        def __enter__(self):
            return self

        def __exit__(self, *exc_info):
            notes.append("done")

        def note(self, text):
            notes.append(text)

        def advance(self, amount):
            done.append(amount)

    hr.compute(plan, tables, progress=Recorder())
    assert notes[0] == "features of departures"
    assert notes[-1] == "done"
    assert "by origin" in notes
    assert sum(done) == promised[0]


def perturb(table, column, where, value):
    """The column with another value in some rows."""
    kind = table.schema.field(column).type
    replacement = pa.array([value] * table.num_rows, pa.int64() if pa.types.is_timestamp(kind) else kind).cast(kind)
    changed = pc.if_else(pa.array(where), replacement, table[column].combine_chunks())
    return table.set_column(table.column_names.index(column), column, changed)


def perturb_type(table, column, kind):
    return table.set_column(table.column_names.index(column), column, table[column].cast(kind))


def test_neither_other_keys_nor_unseen_events_turn_an_answer_into_an_error():
    """Whether a sum is exact is a matter of its window alone, also where a bucket holds far larger values."""
    hours = [0, 1, 2, *range(50)]
    table = pa.table(
        {
            "key": [1] * 3 + [2] * 50,
            "at": pa.array([1_400_000_000_000_000 + hour * HOUR_US for hour in hours], pa.timestamp("us", "UTC")),
            "whole": [2**61, 1, 1] + [1] * 50,
            "value": [1.0, 2.0, 1e300] + [1.0] * 50,
        }
    )
    events = hr.EventTable("events", keys=["key"], event_time="at")
    values = {"whole": [hr.Sum()], "value": [hr.Sum()], ("whole", "whole"): [hr.Cov()]}
    features = [hr.windows(events, by="key", over=hr.expanding(), values=values)]
    plan = hr.compile_plan(
        hr.FeatureSet("x", spine=events, at="at", features=features),
        {"events": {"key": "int64", "at": "timestamp", "whole": "int64", "value": "float64"}},
    )
    matrix = hr.compute(plan, {"events": table})
    assert matrix.column("key_whole_sum_ever")[1] == np.float32(2**61)
    assert matrix.column("key_value_sum_ever")[2] == 3
    assert matrix.column("key_whole_sum_ever")[-1] == 49
    after = table.slice(2, 1).set_column(1, "at", pa.array([1_400_000_000_000_000 + 3 * HOUR_US], table["at"].type))
    with pytest.raises(InvalidInputError, match=r"the value 1e\+300 does not fit"):
        hr.compute(plan, {"events": table}, spine=after)
