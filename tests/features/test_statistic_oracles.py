"""What statistics make of a window, as NumPy, SciPy, pandas and DuckDB compute it; and what those get wrong."""

# ruff: noqa: PD011  # a matrix of features is no pandas object

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats

import headrace.features as hr
from headrace.data.types import table_dtypes

TIMESTAMP = pa.timestamp("us", "UTC")
HOUR_US = 3_600_000_000
FIRST_US = 1_400_000_000_000_000
KEY = hr.EventTable("events", keys=["key"], event_time="at", resolution=2**-30)


def compute(events, *features, tables=None, **how):
    tables = {"events": events, **(tables or {})}
    plan = hr.compile_plan(
        hr.FeatureSet("x", spine=KEY, at="at", features=features), {n: table_dtypes(t) for n, t in tables.items()}
    )
    return hr.compute(plan, tables, **how)


def windows(over, values, **how):
    return hr.windows(KEY, by="key", over=over, values=values, prefix="w", **how)


def timeline(**columns):
    """One key, an event each hour."""
    n = len(next(iter(columns.values())))
    times = pa.array([FIRST_US + hour * HOUR_US for hour in range(n)], TIMESTAMP)
    return pa.table({"key": pa.array([1] * n), "at": times, **columns})


def floats(*values):
    return pa.array([None if value is None else float(value) for value in values], pa.float64())


@pytest.fixture(scope="module")
def events():
    """Two columns that move together, categories, times that are equal and windows that are empty."""
    random = np.random.default_rng(11)
    n = 1500
    x = random.normal(size=n).round(6)
    return pa.table(
        {
            "row": pa.array(range(n)),
            "key": pa.array(random.integers(0, 8, n)),
            "at": pa.array(FIRST_US + random.integers(0, 3000, n) * 60_000_000, TIMESTAMP),
            "x": pa.array(x),
            "y": pa.array((2 * x + random.normal(size=n)).round(6)),
            "shop": pa.array([f"s{number}" for number in random.geometric(0.3, n)]),
            "number": pa.array(random.geometric(0.3, n)),
        }
    )


class Windows:
    """Each row's window of some hours as NumPy arrays, oldest first."""

    def __init__(self, events, hours):
        self.frame = events.to_pandas()
        self.times = events["at"].cast(pa.int64()).to_numpy()
        self.width = hours * HOUR_US

    def __iter__(self):
        keys = self.frame["key"].to_numpy()
        for row, now in enumerate(self.times):
            inside = (keys == keys[row]) & (self.times >= now - self.width) & (self.times < now)
            places = np.flatnonzero(inside)
            places = places[np.argsort(self.times[places], kind="stable")]
            yield row, now, places, self.frame.iloc[places]


def check(matrix, events, hours, least, wanted):
    """`wanted` gives the expected values of a window of at least so many events; below that all must be missing."""
    compared = 0
    for row, now, places, window in Windows(events, hours):
        got = {name: float(matrix.column(name)[row]) for name in matrix.names}
        if len(places) < least:
            assert all(math.isnan(value) for value in got.values()), (row, got)
            continue
        for name, theirs in wanted(window, now).items():
            # float32 holds 24 bits: half a unit in its last place is 6e-8 of the value
            assert got[name] == pytest.approx(theirs, rel=6.1e-8, abs=1e-12), (row, name)
        compared += 1
    assert compared > len(matrix.values) / 2


@pytest.mark.slow
def test_covariance_correlation_slope_and_trend_are_those_of_numpy_and_scipy(events):
    values = {("x", "y"): [hr.Cov(), hr.Corr(), hr.Slope()], "y": [hr.Trend()]}
    matrix = compute(events, windows("6h", values))

    def wanted(window, _):
        x, y = window["x"].to_numpy(), window["y"].to_numpy()
        seconds = (window["at"].astype("int64").to_numpy() - FIRST_US) / 1e6
        result = {"w_x_y_cov_6h": np.cov(x, y)[0, 1], "w_x_y_slope_6h": scipy.stats.linregress(x, y).slope}
        result["w_x_y_corr_6h"] = (
            scipy.stats.pearsonr(x, y).statistic if len(x) > 2 else np.sign(result["w_x_y_cov_6h"])
        )
        if len(set(seconds)) > 1:
            result["w_y_trend_6h"] = scipy.stats.linregress(seconds, y).slope
        return result

    check(matrix, events, 6, 2, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.75, 0.99, 1.0])
def test_quantiles_are_those_of_numpy_and_pandas_to_the_bit(events, p):
    matrix = compute(events, windows("6h", {"x": [hr.Quantile(p)]}))
    ours = matrix.column(*matrix.names)
    for row, _, places, window in Windows(events, 6):
        if len(places):
            assert ours[row] == np.float32(np.quantile(window["x"].to_numpy(), p)), row
            assert ours[row] == pytest.approx(window["x"].quantile(p), rel=1e-7, abs=1e-12)
        else:
            assert math.isnan(ours[row])


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("hours", [2, 24])
def test_quantiles_and_distinct_counts_are_those_of_duckdb(events, p, hours):
    frame = (
        f'(PARTITION BY key ORDER BY "at" RANGE BETWEEN INTERVAL {hours} HOUR PRECEDING '
        "AND INTERVAL 1 MICROSECOND PRECEDING)"
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        connection.register("events", events)
        theirs = connection.sql(
            f"SELECT quantile_cont(x, {p}) OVER {frame} AS quantile, count(DISTINCT shop) OVER {frame} AS shops, "  # noqa: S608
            f"count(DISTINCT number) OVER {frame} AS numbers FROM events ORDER BY row"
        ).to_arrow_table()
    values = {"x": [hr.Quantile(p)], "shop": [hr.Distinct()], "number": [hr.Distinct()]}
    quantile, shops, numbers = compute(events, windows(f"{hours}h", values)).values.T
    expected = theirs["quantile"].to_pandas().to_numpy()
    np.testing.assert_allclose(quantile, expected, rtol=6.1e-8, atol=1e-12, equal_nan=True)
    np.testing.assert_array_equal(shops, theirs["shops"].to_numpy())
    np.testing.assert_array_equal(numbers, theirs["numbers"].to_numpy())


@pytest.mark.slow
def test_categories_are_those_of_pandas_and_scipy(events):
    values = {
        "shop": [hr.Entropy(), hr.TopShare(2)], "number": [hr.Mode(), hr.Distinct(sketch=True)],
    }  # fmt: skip
    matrix = compute(events, windows("12h", values))
    for row, _, places, window in Windows(events, 12):
        if not len(places):
            continue
        counts = window["shop"].value_counts()
        got = {name: float(matrix.column(name)[row]) for name in matrix.names}
        assert got["w_shop_entropy_12h"] == pytest.approx(scipy.stats.entropy(counts), rel=6.1e-8, abs=1e-12)
        assert got["w_shop_top_2_share_12h"] == np.float32(counts.iloc[:2].sum() / len(window))
        assert got["w_number_mode_12h"] == window["number"].mode().min()
        assert got["w_number_distinct_sketch_12h"] == pytest.approx(window["number"].nunique(), abs=1)


@pytest.mark.parametrize("half_life", ["20m", "6h", "72h"])
def test_decayed_means_are_those_of_pandas(half_life):
    """What pandas says of a row with the row itself is what the next row sees: weights scale, their mean does not."""
    random = np.random.default_rng(5)
    n = 400
    times = FIRST_US + np.sort(random.permutation(10 * n)[:n]) * 7 * 60_000_000
    events = pa.table(
        {"key": pa.array(np.ones(n, np.int64)), "at": pa.array(times, TIMESTAMP), "x": pa.array(random.normal(size=n))}
    )
    values = {"x": [hr.DecayedMean(half_life), hr.DecayedSum(half_life), hr.DecayedCount(half_life)]}
    mean, total, count = compute(events, windows(hr.expanding(), values)).values.T
    frame = events.to_pandas()
    theirs = frame["x"].ewm(halflife=pd.Timedelta(half_life), times=frame["at"]).mean().shift(1)
    np.testing.assert_allclose(mean, theirs, rtol=1e-6, atol=1e-12, equal_nan=True)
    x, life = frame["x"].to_numpy(), pd.Timedelta(half_life) / pd.Timedelta("1us")
    for row in range(1, n, 7):
        weights = np.exp2(-(times[row] - times[:row]) / life)
        scale = float(np.abs(weights * x[:row]).sum())
        assert count[row] == pytest.approx(math.fsum(weights), rel=6.1e-8)
        assert total[row] == pytest.approx(math.fsum(weights * x[:row]), rel=6.1e-8, abs=1e-13 * scale)


@pytest.mark.slow
def test_moments_and_ends_are_those_of_numpy_and_python(events):
    values = {
        "x": [hr.Sum(), hr.Mean(), hr.Var(), hr.Std(), hr.Range(), hr.First(), hr.Last(), hr.Lag(1), hr.Diff(),
              hr.Ratio(), hr.SinceLast()],
    }  # fmt: skip
    matrix = compute(events, windows("6h", values))
    for row, now, places, window in Windows(events, 6):
        if len(places) < 2:
            continue
        # the engine sums values in steps of 2**-30
        x = [Fraction(round(Fraction(value) * 2**30), 2**30) for value in window["x"]]
        raw = window["x"].to_numpy()
        theirs = {
            "sum": sum(x), "mean": statistics.mean(x), "var": statistics.variance(x), "std": statistics.stdev(x),
            "range": np.ptp(raw), "first": raw[0], "last": raw[-1], "lag_1": raw[-2], "diff": raw[-1] - raw[-2],
            "ratio": raw[-1] / raw[-2], "since_last": (now - window["at"].astype("int64").iloc[-1]) / HOUR_US,
        }  # fmt: skip
        for name, value in theirs.items():
            assert matrix.column(f"w_x_{name}_6h")[row] == np.float32(float(value)), (row, name)


def test_an_empty_window_is_null_and_not_zero():
    """Polars' rolling sums give 0.0 for a window that holds nothing."""
    events = timeline(x=floats(5, 7, 9))
    statistics_of_x = [hr.Sum(), hr.Mean(), hr.Min(), hr.Median(), hr.Last(), hr.CountNonNull(), hr.Sum(empty=0)]
    half = hr.windows(KEY, by="key", over="30m", values={"x": statistics_of_x[:-1], None: [hr.Count()]}, prefix="w")
    zero = hr.windows(KEY, by="key", over="30m", values={"x": statistics_of_x[-1:]}, prefix="zero")
    matrix = compute(events, half, zero)
    for name in ("sum", "mean", "min", "median", "last"):
        assert np.isnan(matrix.column(f"w_x_{name}_30m")).all()
    for name in ("w_x_count_non_null_30m", "w_count_30m", "zero_x_sum_30m"):
        assert (matrix.column(name) == 0).all()


def test_events_of_the_same_moment_do_not_see_each_other():
    """Polars counts later rows of q's own time, pandas earlier ones; here none, whatever their order."""
    n = 6
    events = pa.table({"key": pa.array([1] * n), "at": pa.array([FIRST_US] * n, TIMESTAMP), "x": floats(*range(n))})
    both = compute(events, windows("1h", {None: [hr.Count()]}, closed="both")).values[:, 0]
    left = compute(events, windows("1h", {None: [hr.Count()]})).values[:, 0]
    assert left.tolist() == [0.0] * n
    assert both.tolist() == [6.0] * n
    own = compute(events, windows("1h", {None: [hr.Count()], "x": [hr.Sum()]}, include_current=True))
    assert sorted(own.values.tolist()) == [[1.0, float(x)] for x in range(n)]


def test_infinity_stays_infinite_and_leaves():
    """Rolling means of pandas turn Inf into NaN, for good."""
    inf = math.inf
    events = timeline(x=floats(1, inf, 2, 3, -inf, 4, inf, 5, 6, 7, 8, 9))
    values = {"x": [hr.Sum(), hr.Mean(), hr.Max(), hr.CountNonNull(), hr.Var()]}
    total, mean, most, count, var = compute(events, windows("3h", values)).values.T
    assert total[1:5].tolist() == [1.0, inf, inf, inf]
    assert total[5] == mean[5] == -inf
    assert math.isnan(total[7])  # of both signs
    assert total[10:].tolist() == [18.0, 21.0]
    assert mean[11] == 7.0
    assert most[2:5].tolist() == [inf, inf, inf]
    assert count[3:].tolist() == [3.0] * 9
    assert math.isnan(var[4])
    assert var[11] == 1.0


def test_one_nan_does_not_stay_for_ever():
    """A running sum that has met a NaN keeps it."""
    events = timeline(x=floats(1, 2, math.nan, 4, 5, 6, 7))
    total, mean, spread = compute(events, windows("2h", {"x": [hr.Sum(), hr.Mean(), hr.Std()]})).values.T
    assert [math.isnan(value) for value in total] == [True, False, False, True, True, False, False]
    assert (total[5], total[6], mean[6], spread[6]) == (9.0, 11.0, 5.5, np.float32(math.sqrt(0.5)))
    skipped = compute(events, windows("2h", {"x": [hr.Sum(nan="skip")]})).values[:, 0]
    assert skipped[1:].tolist() == [1.0, 3.0, 2.0, 4.0, 9.0, 11.0]


def test_the_variance_after_a_large_outlier_is_exact():
    """A rolling variance by updates was off by a fifth once 1e9 had passed."""
    values = [1e9, *(0.1 * (row % 7) for row in range(40))]
    events = timeline(x=floats(*values))
    ours = compute(events, windows("5h", {"x": [hr.Var()]})).values[:, 0]
    for row in range(6, len(values)):
        window = [Fraction(round(Fraction(value) * 2**30), 2**30) for value in values[row - 5 : row]]
        assert ours[row] == np.float32(float(statistics.variance(window)))
    constant = compute(timeline(x=floats(1e9, *[0.1] * 20)), windows("5h", {"x": [hr.Var(), hr.Std()]})).values
    assert (constant[6:] == 0).all()


def test_a_maximum_leaves_with_its_event():
    """A store that keeps maxima of tiles answered 1105 where the window's largest value was 6."""
    events = timeline(x=floats(1105, 2, 6, 3, 1, 4, 2, 5))
    most = compute(events, windows("3h", {"x": [hr.Max()]})).values[:, 0]
    assert most[1:].tolist() == [1105.0, 1105.0, 1105.0, 6.0, 6.0, 4.0, 4.0]


def test_a_correlation_is_never_larger_than_one():
    """A rolling correlation by updates gave 2.70 on nearly constant values after large ones."""
    random = np.random.default_rng(1)
    x = np.concatenate([random.normal(size=20) * 1e8, 1.0 + random.integers(0, 3, 200) * 2.0**-29])
    events = timeline(x=pa.array(x), y=pa.array(np.concatenate([-x[:20], x[20:]])), z=pa.array(np.roll(x, 1)))
    values = {("x", "y"): [hr.Corr()], ("x", "z"): [hr.Corr()]}
    same, other = compute(events, windows("10h", values)).values[31:].T
    assert np.count_nonzero(~np.isnan(same)) > 100
    assert (same[~np.isnan(same)] == 1.0).all()
    assert (np.abs(other[~np.isnan(other)]) <= 1.0).all()


@pytest.fixture(scope="module")
def tied_states():
    """Hundreds of states that begin at the same moment, many keys."""
    random = np.random.default_rng(2)
    n = 4000
    return pa.table(
        {
            "key": pa.array(random.integers(0, 50, n)),
            "since": pa.array(FIRST_US + random.integers(0, 3, n) * HOUR_US, TIMESTAMP),
            "level": pa.array(np.arange(n, dtype=np.float64)),
        }
    )


def test_of_states_that_tie_the_last_wins_every_time(tied_states):
    """DuckDB's ASOF picked another one from run to run."""
    keys = pa.array(range(50))
    events = pa.table({"key": keys, "at": pa.array([FIRST_US + HOUR_US] * 50, TIMESTAMP)})
    states = hr.StateTable("states", keys=["key"], valid_from="since")
    runs = [
        compute(events, hr.as_of(states, "level"), tables={"states": tied_states}, threads=threads).values[:, 0]
        for threads in (1, 2, 3, 2, 2)
    ]
    known = tied_states.to_pandas().query("since <= @when", local_dict={"when": events["at"][0].as_py()})
    known = known.sort_values("since", kind="stable").groupby("key")["level"].last()
    for run in runs:
        np.testing.assert_array_equal(run, known.reindex(range(50)).to_numpy().astype(np.float32))


def test_rows_in_no_order_are_put_in_order(tied_states):
    """Polars does not look whether a grouped as-of join gets sorted rows, and answers wrongly where it does not."""
    random = np.random.default_rng(3)
    events = pa.table(
        {
            "key": pa.array(random.integers(0, 50, 500)),
            "at": pa.array(FIRST_US + random.integers(-1, 4, 500) * HOUR_US, TIMESTAMP),
        }
    )
    states = hr.StateTable("states", keys=["key"], valid_from="since")
    sorted_first = tied_states.sort_by([("since", "ascending"), ("level", "ascending")])
    unique = sorted_first.group_by(["key", "since"], use_threads=False).aggregate([("level", "max")])
    unique = unique.rename_columns({"level_max": "level"})
    shuffled = unique.take(pa.array(random.permutation(unique.num_rows)))
    straight, mixed = (
        compute(events, hr.as_of(states, "level"), tables={"states": table}).values[:, 0]
        for table in (unique, shuffled)
    )
    np.testing.assert_array_equal(straight, mixed)
    for row, (key, now) in enumerate(zip(events["key"].to_pylist(), events["at"].to_pylist(), strict=True)):
        known = [s for s in unique.to_pylist() if s["key"] == key and s["since"] <= now]
        newest = max(known, key=lambda state: state["since"], default=None)
        assert math.isnan(mixed[row]) if newest is None else mixed[row] == newest["level"]
