"""A profile's figures are those of Polars, exact or within what they state; merging changes nothing else."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError
from headrace.data.profiling import Profile, Profiler, profile_batches
from headrace.data.profiling.distinct import RELATIVE_ERROR
from headrace.data.profiling.quantiles import RANK_ERROR

RANDOM = np.random.default_rng(5)
ROWS = 300_000
NULLS = RANDOM.random(ROWS) < 0.1
TABLE = pa.table(
    {
        "value": pa.array(np.where(RANDOM.random(ROWS) < 0.01, np.nan, RANDOM.lognormal(2, 1, ROWS)), mask=NULLS),
        "double": pa.array(RANDOM.normal(size=ROWS)),
        "month": pa.array(RANDOM.integers(1, 13, ROWS), pa.int32()),
        "row": np.arange(ROWS),
        "wide": RANDOM.integers(-(2**62), 2**62, ROWS),
        "carrier": pa.array(np.array(["AA", "B6", "DL", "UA"])[RANDOM.integers(0, 4, ROWS)], mask=NULLS),
        "tail": [f"N{number}" for number in (RANDOM.random(ROWS) ** 2 * 60_000).astype(int)],
        "late": pa.array(RANDOM.random(ROWS) < 0.25, mask=NULLS),
        "at": pa.array(1_400_000_000_000_000 + np.arange(ROWS) * 60_000_000, pa.timestamp("us", "UTC")),
    }
)


def profiled(table, batch_rows=None, threads=2):
    with Profiler(table.schema, threads=threads) as profiler:
        for batch in table.to_batches(max_chunksize=batch_rows):
            profiler.update(batch)
        return profiler.result()


@pytest.fixture(scope="module")
def whole():
    return profiled(TABLE)


def column_of(values, dtype=None):
    table = pa.table({"x": pa.array(values, dtype)})
    return profiled(table).column("x")


def test_counts_and_ranges_are_polars_counts_and_ranges(whole):
    frame = pl.from_arrow(TABLE)
    assert whole.rows == ROWS
    for column in whole.columns:
        values = frame[column.name]
        assert column.nulls == values.null_count()
        if column.kind in ("int", "float"):
            finite = values.drop_nulls().drop_nans() if column.kind == "float" else values.drop_nulls()
            assert column.nan == values.drop_nulls().len() - finite.len()
            assert (column.min, column.max) == (finite.min(), finite.max())
            assert column.mean == pytest.approx(finite.mean(), rel=1e-12)
            assert column.std == pytest.approx(finite.std(ddof=0), rel=1e-9)
            assert column.zeros == (finite == 0).sum()
            assert column.negatives == (finite < 0).sum()
            assert column.skewness == pytest.approx(finite.skew(), rel=1e-6, abs=1e-9)
            assert column.kurtosis == pytest.approx(finite.kurtosis(), rel=1e-6, abs=1e-9)


def test_distinct_is_exact_or_within_its_error(whole):
    frame = pl.from_arrow(TABLE)
    for column in whole.columns:
        values = frame[column.name].drop_nulls()
        true = (values.drop_nans() if column.kind == "float" else values).n_unique()
        if column.distinct_exact:
            assert column.distinct == true
        else:
            assert abs(column.distinct / true - 1) < 4 * RELATIVE_ERROR
    exact = {column.name for column in whole.columns if column.distinct_exact}
    assert exact == {"month", "row", "carrier", "late", "at"}  # the rows' numbers ascend: none comes twice


def test_quantiles_are_within_the_stated_rank(whole):
    frame = pl.from_arrow(TABLE)
    for column in whole.columns:
        if column.kind not in ("int", "float"):
            continue
        ordered = np.sort(frame[column.name].drop_nulls().to_numpy().astype(float))
        ordered = ordered[np.isfinite(ordered)]
        for name, value in column.quantiles.items():
            share = int(name[1:]) / 100
            low, high = np.searchsorted(ordered, value, "left"), np.searchsorted(ordered, value, "right")
            assert low / len(ordered) - RANK_ERROR <= share <= high / len(ordered) + RANK_ERROR
        assert sum(column.distribution.counts) == len(ordered)
        assert (column.distribution.edges[0], column.distribution.edges[-1]) == (column.min, column.max)
        below = np.searchsorted(ordered, column.distribution.edges, "right") / len(ordered)
        found = np.cumsum(column.distribution.counts) / len(ordered)
        np.testing.assert_allclose(found, below, atol=0 if column.distribution_exact else RANK_ERROR)
        histogram = column.histogram
        assert sum(histogram.counts) + histogram.below + histogram.above == len(ordered)
        want = np.histogram(ordered, np.array(histogram.edges))[0] / len(ordered)
        np.testing.assert_allclose(np.array(histogram.counts) / len(ordered), want, atol=2 * RANK_ERROR)


def test_frequent_values_are_the_frequent_ones(whole):
    frame = pl.from_arrow(TABLE)
    for name in ("month", "carrier", "late"):
        counts = frame[name].drop_nulls().value_counts()
        expected = sorted(counts.rows(), key=lambda row: (-row[1], row[0]))
        assert [(top.value, top.count) for top in whole.column(name).top] == expected
    true = dict(frame["tail"].value_counts().rows())
    tails = whole.column("tail")
    assert tails.top_error <= ROWS / 4097
    assert all(true[top.value] - tails.top_error <= top.count <= true[top.value] for top in tails.top)


def test_lengths_are_in_characters():
    column = column_of(["", "a", "h\u00e9", "\U0001f600\U0001f600\U0001f600", None])
    assert column.lengths == {"min": 0, "mean": 1.5, "max": 3, "p50": 1, "p95": 3, "p99": 3, "empty": 1}


def test_correlations_are_over_rows_with_both(whole):
    frame = pl.from_arrow(TABLE).filter(pl.col("value").is_finite())
    names = whole.correlations.columns
    assert names == ("value", "double", "month", "row", "wide")
    found = whole.correlations.values[names.index("value")][names.index("row")]
    assert found == pytest.approx(frame.select(pl.corr("value", "row")).item(), abs=1e-8)
    pair = profiled(pa.table({"a": [1.0, 2.0, 3.0], "b": [2, 4, 6], "c": [1, 1, 1]})).correlations
    assert pair.strongest(5) == [("a", "b", 1.0)]


def test_batches_and_threads_change_no_bit(whole):
    text = json.dumps(whole.to_json())
    assert json.dumps(profiled(TABLE, 10_007, 1).to_json()) == text
    assert json.dumps(profile_batches(TABLE.to_batches(200_000), TABLE.schema, threads=3).to_json()) == text


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_merged_profilers_agree_with_one(whole, order):
    cuts = (0, 20_000, 150_000, 155_000, ROWS)
    parts = []
    for at in order:
        profiler = Profiler(TABLE.schema)
        profiler.update(TABLE.slice(cuts[at], cuts[at + 1] - cuts[at]))
        parts.append(profiler)
    first = parts[0]
    for other in parts[1:]:
        first.merge(other)
    merged = first.result()
    for part in parts:
        part.close()
    assert merged.rows == whole.rows
    for column, one in zip(merged.columns, whole.columns, strict=True):
        for fact in ("nulls", "nan", "infinite", "zeros", "negatives", "min", "max"):
            assert getattr(column, fact) == getattr(one, fact)
        if column.name not in ("row", "at"):  # whose uniqueness shows in their order alone
            assert (column.distinct, column.distinct_exact, column.unique) == (
                one.distinct,
                one.distinct_exact,
                one.unique,
            )
        if not one.top_error:
            assert column.top == one.top
        assert column.lengths.get("mean", 0) == pytest.approx(one.lengths.get("mean", 0), rel=1e-12)
        if column.kind in ("int", "float"):
            assert column.mean == pytest.approx(one.mean, rel=1e-12)
            assert column.std == pytest.approx(one.std, rel=1e-9)
            edges, ones = column.distribution, one.distribution
            shared = np.interp(ones.edges, edges.edges, np.cumsum(edges.counts)) if not ones.discrete else None
            if shared is not None:
                np.testing.assert_allclose(shared / ROWS, np.cumsum(ones.counts) / ROWS, atol=0.006)  # between edges
            else:
                assert edges == ones
    in_order = order == tuple(sorted(order))
    assert merged.column("at").order == ("ascending" if in_order else "unordered")
    assert merged.column("at").gaps == whole.column("at").gaps


SMALL = pa.schema(
    {
        "f": pa.float64(), "i": pa.int64(), "s": pa.string(), "b": pa.bool_(), "t": pa.timestamp("us", "UTC"),
        "d": pa.date32(), "n": pa.timestamp("ns"), "k": pa.dictionary(pa.int8(), pa.string()), "l": pa.list_(pa.int8()),
        "m": pa.decimal128(12, 2), "u": pa.uint64(), "h": pa.float32(), "o": pa.int8(),
    }
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {
        "f": st.none() | st.floats(),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "s": st.none() | st.text(st.characters(codec="utf-8"), max_size=4),
        "b": st.none() | st.booleans(),
        "t": st.none() | st.datetimes(timezones=st.just(UTC)),
        "d": st.none() | st.dates(),
        "n": st.none() | st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001  no zone is meant
        "k": st.none() | st.sampled_from(["x", "y", ""]),
        "l": st.none() | st.just([1]),
        "m": st.none() | st.decimals(-1000, 1000, places=2),
        "u": st.none() | st.integers(0, 2**64 - 1),
        "h": st.none() | st.floats(width=32),
        "o": st.none() | st.integers(-128, 127),
    }
)


@settings(deadline=None, max_examples=60)
@given(st.lists(ROW, max_size=25), st.integers(1, 4))
def test_any_rows_can_be_profiled_written_read_and_merged(rows, parts):
    table = pa.Table.from_pylist(rows, schema=SMALL)
    whole = profiled(table, threads=1)
    text = json.dumps(whole.to_json(), allow_nan=False)
    assert Profile.from_json(json.loads(text)) == whole
    with Profiler(SMALL, threads=1) as merged:
        for at in np.array_split(np.arange(len(rows)), parts):
            with Profiler(SMALL, threads=1) as part:
                part.update(table.take(pa.array(at, pa.int64())))
                merged.merge(part)
        again = merged.result()
    for column, one in zip(again.columns, whole.columns, strict=True):
        left, right = column.to_json(), one.to_json()
        rounded = {"mean", "std", "skewness", "kurtosis", "lengths", "histogram"}
        assert {k: v for k, v in left.items() if k not in rounded} == {
            k: v for k, v in right.items() if k not in rounded
        }
    for name in ("f", "i", "s", "t"):
        values = [row[name] for row in rows if row[name] is not None]
        column = whole.column(name)
        assert column.nulls == len(rows) - len(values)
        if name == "f":
            values = [value for value in values if np.isfinite(value)]
            assert column.nan + column.infinite + len(values) == len(rows) - column.nulls
        assert column.distinct == len(set(values))
        assert column.unique is (None if not values else len(set(values)) == len(values))


@pytest.mark.parametrize(
    "dtype", [pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.timestamp("us", "UTC"), pa.null()]
)
@pytest.mark.parametrize("rows", [0, 3])
def test_a_column_without_values_has_no_figures(dtype, rows):
    column = column_of([None] * rows, dtype)
    assert column.nulls == rows
    assert (column.min, column.top, column.histogram, column.gaps) == (None, (), None, ())
    assert column.distinct == (None if dtype == pa.null() else 0)


def test_what_is_not_finite_is_counted_and_left_out():
    column = column_of([1.0, float("nan"), float("inf"), float("-inf"), 3.0, -0.0, 0.0])
    assert (column.nan, column.infinite, column.min, column.max, column.mean) == (1, 2, 0.0, 3.0, 1.0)
    assert (column.distinct, column.zeros, column.unique) == (3, 2, False)
    assert column_of([float("nan")] * 3).distinct == 0


@pytest.mark.parametrize("value", [7.0, 5e-324, -1.7976931348623157e308, 0.0])
def test_one_value_many_times(value):
    column = column_of([value] * 1000)
    assert (column.min, column.max, column.mean, column.distinct) == (value, value, value, 1)
    assert (column.std, column.skewness) == (0.0, None)
    assert column.distribution.edges == (value,)
    assert sum(column.histogram.counts) == 1000


def test_a_time_column_tells_its_order_gaps_and_repeats():
    start = datetime(2013, 1, 1, tzinfo=UTC)
    hours = [0, 1, 2, 2, 50, 49, 60]
    column = column_of([start + timedelta(hours=hour) for hour in hours], pa.timestamp("us", "UTC"))
    assert (column.order, column.steps_back, column.step_back_s) == ("unordered", 1, 3600.0)
    assert (column.gaps[0].start, column.gaps[0].end) == ("2013-01-01T02:00:00+00:00", "2013-01-03T01:00:00+00:00")
    assert [gap.seconds for gap in column.gaps] == [47 * 3600, 10 * 3600, 3600, 3600, 3600]
    assert (column.unique, column.distinct) == (False, 6)
    assert (column.min, column.max) == ("2013-01-01T00:00:00+00:00", "2013-01-03T12:00:00+00:00")


def test_dictionaries_and_plain_strings_are_the_same_column():
    values = ["a", None, "b", "a", ""] * 20_000
    plain, coded = column_of(values), column_of(pa.array(values).dictionary_encode())
    assert plain.top == coded.top
    assert (plain.nulls, plain.distinct, plain.lengths) == (coded.nulls, coded.distinct, coded.lengths)
    inside = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, None]), pa.array(["x", None]))
    assert column_of(inside).nulls == 3


def test_long_strings_are_cut_where_they_are_shown():
    column = column_of(["x" * 1_000_000] * 3)
    assert column.lengths["max"] == 1_000_000
    assert len(column.top[0].value) == 256


def test_other_schemas_are_refused():
    with Profiler(pa.schema({"a": pa.int64()})) as profiler:
        with pytest.raises(InvalidInputError, match=r"column 'a' is double; expected int64"):
            profiler.update(pa.table({"a": [0.5]}))
        with pytest.raises(InvalidInputError, match=r"the rows have columns b; expected a"):
            profiler.update(pa.table({"b": [1]}))
        with Profiler(pa.schema({"b": pa.int64()})) as other, pytest.raises(InvalidInputError, match="columns b"):
            profiler.merge(other)
        profiler.update(pa.table({"a": [1]}))
        result = profiler.result()
    with pytest.raises(NotFoundError, match="no column 'b'"):
        result.column("b")
    with pytest.raises(InvalidInputError, match="at least one column"):
        Profiler(pa.schema({}))
    with pytest.raises(InvalidInputError, match="come twice: a"):
        Profiler(pa.schema([("a", pa.int64()), ("a", pa.int64())]))


def test_a_time_beyond_64_bits_is_refused():
    with pytest.raises(InvalidInputError, match="64 bits"):
        column_of([2**62], pa.timestamp("s", "UTC"))


def test_a_profile_of_another_format_is_refused(whole):
    data = whole.to_json()
    with pytest.raises(CorruptedError, match="format 9"):
        Profile.from_json(data | {"format": 9})
    with pytest.raises(CorruptedError, match="not what its format says"):
        Profile.from_json({"format": 1})
