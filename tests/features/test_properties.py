"""What no feature may depend on: threads, chunks, buckets, order, neighbours, the future, or how a column is stored."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace.features as hr
from headrace.core.errors import DefinitionError

EXAMPLES = 30
SEEDS = st.integers(0, 2**20)
FAR_US = 10**15  # more than thirty years: after every time in the tables
KEY_GROUPS, PARTITIONS = "headrace.features.executor.key_groups", "headrace_kernels.cpu.partitions"

proved = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sets():
    """The module `generated_sets.py`."""
    spec = importlib.util.spec_from_file_location("generated_sets", Path(__file__).parent / "generated_sets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compute(plan, tables, **how):
    return hr.compute(plan, tables, **how).values


def assert_same(left, right, plan):
    """Bit for bit; NaN is one value."""
    assert left.shape == right.shape
    differ = (left.view(np.uint32) != right.view(np.uint32)) & ~(np.isnan(left) & np.isnan(right))
    assert not differ.any(), [plan.feature_names[column] for column in np.unique(np.nonzero(differ)[1])]


def chunked(table, rng):
    """The same rows in pieces of any length, none among them."""
    ends = sorted(rng.choices(range(table.num_rows + 1), k=rng.randrange(6)))
    pieces = [table.slice(begin, end - begin) for begin, end in zip([0, *ends], [*ends, table.num_rows], strict=True)]
    return pa.concat_tables(pieces)


def shuffled(table, rng):
    order = rng.sample(range(table.num_rows), table.num_rows)
    return table.take(pa.array(order, pa.int64())), order


@proved
@given(seed=SEEDS, own=st.booleans())
def test_threads_change_no_bit(sets, seed, own):
    plan, tables = sets.generate_complete(seed, own=own)
    one = compute(plan, tables, threads=1)
    for threads in (2, 3):
        assert_same(compute(plan, tables, threads=threads), one, plan)


@proved
@given(seed=SEEDS, own=st.booleans())
def test_chunks_and_offsets_change_no_bit(sets, seed, own):
    plan, tables = sets.generate_complete(seed, own=own)
    rng = random.Random(seed)
    whole = compute(plan, tables)
    assert_same(compute(plan, {name: chunked(table, rng) for name, table in tables.items()}), whole, plan)
    padded = {name: pa.concat_tables([table, table, table]).combine_chunks() for name, table in tables.items()}
    inside = {name: padded[name].slice(table.num_rows, table.num_rows) for name, table in tables.items()}
    assert_same(compute(plan, inside), whole, plan)


KNOBS = {
    f"{KEY_GROUPS}._BUCKET_ROWS": [1, 3, 17, 8192],
    f"{KEY_GROUPS}._BLOCK_BYTES": [1, 1 << 20],
    f"{KEY_GROUPS}._MOST_SLICES": [1, 2, 16],
    f"{PARTITIONS}._BINS": [1, 2, 64],
    f"{PARTITIONS}._CHUNK_ROWS": [1, 5, 1 << 18],
}


@proved
@given(
    seed=SEEDS,
    own=st.booleans(),
    knobs=st.fixed_dictionaries({name: st.sampled_from(sizes) for name, sizes in KNOBS.items()}),
)
def test_buckets_slices_and_bins_change_no_bit(sets, seed, own, knobs):
    plan, tables = sets.generate_complete(seed, own=own)
    whole = compute(plan, tables)
    with pytest.MonkeyPatch.context() as patch:
        for name, size in knobs.items():
            patch.setattr(name, size)
        assert_same(compute(plan, tables, threads=2), whole, plan)


@proved
@given(seed=SEEDS, own=st.booleans())
def test_the_order_of_rows_changes_no_bit(sets, seed, own):
    """Ties are ordered by the sequence, so no answer hangs on where a row stands."""
    plan, tables = sets.generate_complete(seed, own=own)
    rng = random.Random(seed)
    mixed = {name: shuffled(table, rng) for name, table in tables.items()}
    moved = compute(plan, {name: table for name, (table, _) in mixed.items()})
    assert_same(moved, compute(plan, tables)[mixed[plan.spine][1]], plan)


@proved
@given(seed=SEEDS, own=st.booleans())
def test_a_row_alone_gets_what_it_gets_among_all(sets, seed, own):
    plan, tables = sets.generate_complete(seed, own=own)
    together, spine = compute(plan, tables), tables[plan.spine]
    for row in random.Random(seed).sample(range(spine.num_rows), min(4, spine.num_rows)):
        assert_same(compute(plan, tables, spine=spine.slice(row, 1)), together[row : row + 1], plan)
    some = random.Random(seed).choices(range(spine.num_rows), k=spine.num_rows)  # in any order, several times
    assert_same(compute(plan, tables, spine=spine.take(pa.array(some, pa.int64()))), together[some], plan)


@proved
@given(seed=SEEDS, own=st.booleans())
def test_what_is_not_known_yet_changes_no_bit(sets, seed, own):
    """Later events, events known later, events without a time, states that hold later."""
    plan, tables = sets.generate_complete(seed, own=own)
    other = sets.generate_complete(seed + 1, own=own).tables
    spine = tables[plan.spine]
    before = compute(plan, tables, spine=spine)
    grown = dict(tables)
    future = moved(other["events"], {"at": FAR_US, "happened": FAR_US, "known": FAR_US})
    grown["events"] = pa.concat_tables([future, tables["events"], future])
    if plan.event_views["events" if own else "late"].available_at is not None:
        unknown = moved(other["events"], {"known": FAR_US})
        never = replaced(other["events"], "known", pa.nulls(other["events"].num_rows, sets.TIMESTAMP))
        grown["events"] = pa.concat_tables([never, unknown, grown["events"]])
    grown["states"] = pa.concat_tables([moved(other["states"], {"since": FAR_US}), tables["states"]])
    assert_same(compute(plan, grown, spine=spine), before, plan)


def moved(table, by):
    """The table with some of its times later."""
    for name, distance in by.items():
        column = pc.cast(pc.add(pc.cast(table[name], pa.int64()), distance), table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), name, column)
    return table


@proved
@given(seed=SEEDS)
def test_a_window_alone_is_the_window_in_a_long_series(sets, seed):
    """Only the events inside any of a row's windows matter: all others may be as large or odd as they like."""
    rng = random.Random(seed)
    tables = sets.make_tables(rng, numbered=True, days=3)
    events = hr.EventTable("events", keys=["card"], event_time="at", sequence="number", resolution=sets.RESOLUTION)
    features = [
        hr.windows(events, by="card", over="6h", values=sets.by_value(sets.every_statistic(rng)), closed=closed,
                   prefix=closed)
        for closed in ("left", "right", "both", "none")
    ]  # fmt: skip
    plan, _ = sets.compiled(events, "at", features, tables)
    spine, together = tables["events"], compute(plan, tables)
    times = pc.cast(spine["at"], pa.int64()).to_numpy()
    for row in rng.sample(range(spine.num_rows), min(5, spine.num_rows)):
        near = (times >= times[row] - 6 * 3_600_000_000) & (times <= times[row])
        alone = compute(plan, {"events": spine.filter(pa.array(near))}, spine=spine.slice(row, 1))
        assert_same(alone, together[row : row + 1], plan)


@proved
@given(seed=SEEDS, parts=st.integers(1, 4))
def test_partitions_by_key_are_the_whole(sets, seed, parts):
    """Each part of the spine with the events and states of its keys alone: what a build in partitions rests on."""
    rng = random.Random(seed)
    tables = sets.make_tables(rng, numbered=rng.random() < 0.5)
    view = hr.EventTable("events", keys=["card"], event_time="at", available_at="known", resolution=sets.RESOLUTION)
    states = hr.StateTable("states", keys=["card"], valid_from="since")
    features = [
        hr.windows(view, by="card", over=[extent], values=sets.by_value(sets.every_statistic(rng)), prefix=f"w{number}")
        for number, extent in enumerate(sets.every_extent(rng))
    ]
    plan, _ = sets.compiled(view, "at", [*features, hr.as_of(states, ["level"])], tables)
    whole = compute(plan, tables)
    keys = tables["events"]["card"].to_pylist()
    part_of = [0 if key is None else key % 7 % parts for key in keys]
    for part in range(parts):
        mine = [row for row, owner in enumerate(part_of) if owner == part]
        known = pa.array(sorted({keys[row] for row in mine if keys[row] is not None}), pa.int64())
        held = {name: tables[name].filter(pc.is_in(tables[name]["card"], known)) for name in ("events", "states")}
        asking = tables["events"].take(pa.array(mine, pa.int64()))
        assert_same(compute(plan, held, spine=asking), whole[mine], plan)


@proved
@given(seed=SEEDS, own=st.booleans())
def test_a_plan_that_travelled_as_json_computes_the_same_bits(sets, seed, own):
    plan, tables = sets.generate_complete(seed, own=own)
    again = hr.FeaturePlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again.digest == plan.digest
    assert [spec.digest for spec in again.features] == [spec.digest for spec in plan.features]
    assert_same(compute(again, tables), compute(plan, tables), plan)


@proved
@given(seed=SEEDS, own=st.booleans())
def test_features_alone_have_the_bits_they_have_together(sets, seed, own):
    plan, tables = sets.generate_complete(seed, own=own)
    together = compute(plan, tables)
    chosen = sorted(random.Random(seed).sample(range(len(plan.features)), 12))
    few = plan.only([plan.feature_names[column] for column in chosen])
    assert_same(compute(few, tables), np.ascontiguousarray(together[:, chosen]), few)


@proved
@given(seed=SEEDS, own=st.booleans())
def test_how_columns_are_stored_changes_no_bit(sets, seed, own):
    """Dictionaries, large strings, string views, narrow integers, float32 of such values, other units of time."""
    plan, tables = sets.generate_complete(seed, own=own)
    rng = random.Random(seed)
    for name in tables:
        for column, exact in (("amount", [1.5, -2.25, 1e6]), ("wild", [2.0**-140, 3.5]), ("level", [0.5, -7.0])):
            if column in tables[name].column_names:
                values = [rng.choice([*exact, None, float("nan"), float("inf")]) for _ in range(tables[name].num_rows)]
                tables[name] = replaced(tables[name], column, pa.array(values, pa.float64()))
    whole = compute(plan, tables)
    stored = {
        name: pa.table({column: restored(table[column], rng) for column in table.column_names})
        for name, table in tables.items()
    }
    assert_same(compute(plan, stored), whole, plan)


def replaced(table, name, column):
    return table.set_column(table.column_names.index(name), name, column)


def restored(column, rng):
    """The same values in another type that conforms."""
    kinds = {
        pa.string(): [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.string()],
        pa.float64(): [pa.float32(), pa.float64()],
        pa.int64(): [pa.int64(), pa.int32(), pa.int16(), pa.int8()],
        pa.bool_(): [pa.bool_()],
        pa.timestamp("us", "UTC"): [pa.timestamp(unit, zone) for unit in ("ns", "ms", "s") for zone in ("UTC", "CET")],
    }[column.type]
    for kind in rng.sample(kinds, len(kinds)):
        try:
            other = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
        except pa.ArrowInvalid:  # a value that this type cannot hold
            continue
        if not pa.types.is_floating(kind) or same_floats(other.cast(column.type), column):
            return other
    return column


def same_floats(left, right):
    return np.array_equal(left.to_numpy(), right.to_numpy(), equal_nan=True)


def test_nanoseconds_that_microseconds_do_not_hold_are_refused(sets):
    plan, tables = sets.generate_complete(3)
    at = pa.array([1_400_000_000_000_000_001], pa.timestamp("ns", "UTC"))
    row = tables["events"].slice(0, 1)
    with pytest.raises(DefinitionError, match="fit"):
        hr.compute(plan, {**tables, "events": replaced(row, "at", at)})


@proved
@given(seed=SEEDS)
def test_a_spine_of_its_own_gets_what_the_events_themselves_get(sets, seed):
    """The same rows as another table: nothing hangs on whether the spine is the table of the events."""
    plan, tables = sets.generate_complete(seed)
    copy = pa.table({name: pa.array(tables["events"][name].to_pylist(), tables["events"].schema.field(name).type)
                     for name in tables["events"].column_names})  # fmt: skip
    assert_same(compute(plan, tables, spine=copy), compute(plan, tables), plan)


@proved
@given(seed=SEEDS)
def test_memory_used_again_keeps_nothing(sets, seed):
    plan, tables = sets.generate_complete(seed)
    fresh = compute(plan, tables)
    used = np.full(fresh.shape, 1e30, dtype=np.float32)
    assert_same(compute(plan, tables, out=used), fresh, plan)


@pytest.mark.parametrize("own", [True, False], ids=["own spine", "other spine"])
@pytest.mark.parametrize("seed", range(2))
def test_thousands_of_rows_have_one_answer(sets, seed, own):
    """The same promises where windows hold thousands of events and buckets are cut into slices."""
    rng = random.Random(seed)
    plan, tables = sets.generate_complete(seed, own=own, rows=6000)
    while min(tables["events"].num_rows * 2, tables[plan.spine].num_rows * 2) < 6000:
        seed += 100
        plan, tables = sets.generate_complete(seed, own=own, rows=6000)
    one, spine = compute(plan, tables, threads=1), tables[plan.spine]
    assert_same(compute(plan, tables, threads=3), one, plan)
    assert_same(compute(plan, {name: chunked(table, rng) for name, table in tables.items()}), one, plan)
    with pytest.MonkeyPatch.context() as patch:
        for name, size in ((f"{KEY_GROUPS}._BUCKET_ROWS", 101), (f"{PARTITIONS}._BINS", 2)):
            patch.setattr(name, size)
        assert_same(compute(plan, tables), one, plan)
    mixed = {name: shuffled(table, rng) for name, table in tables.items()}
    moved_rows = compute(plan, {name: table for name, (table, _) in mixed.items()})
    assert_same(moved_rows, one[mixed[plan.spine][1]], plan)
    some = rng.sample(range(spine.num_rows), 3)
    for row in some:
        assert_same(compute(plan, tables, spine=spine.slice(row, 1)), one[row : row + 1], plan)
