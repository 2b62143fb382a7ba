"""Lowest and highest values of files: they never lose a row, neither here nor for other readers of Delta."""

from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.data import TableStore
from headrace.data.commit_log import read_log
from headrace.data.store.key_ranges import KeyRanges
from headrace.data.store.merging import rewrite

TYPES = {
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)),
    "timestamp": (
        pa.timestamp("us", "UTC"),
        st.integers(-(2**60), 2**60) | st.integers(-3000, 3000) | st.integers(253_402_300_799_999_000, 2**58),
    ),
    "string": (
        pa.string(),
        st.text(st.characters(codec="utf-8"), max_size=3) | st.sampled_from(["a" * 80, "ÿ", "\U0001f600"]),
    ),
    "bool": (pa.bool_(), st.booleans()),
    "float64": (pa.float64(), st.floats()),
}


@pytest.mark.parametrize("dtype", TYPES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_file_that_holds_a_key_may_hold_it(tmp_path_factory, dtype, data):
    arrow, values = TYPES[dtype]
    held = data.draw(st.lists(st.none() | values, min_size=1, max_size=6))
    store = TableStore(tmp_path_factory.mktemp("stats"))
    store.write("t", pa.table({"k": pa.array(held, arrow)}), transaction="1")
    (stats,) = read_log(store.root / "t").file_stats.values()
    assert stats.rows == len(held)
    for key in held:
        if key is not None:
            assert KeyRanges(pa.table({"k": pa.array([key], arrow)}), ["k"]).may_be_in(stats)


def test_times_before_the_year_1000_are_written_with_four_digits(store):
    stamps = pa.array([-30_610_224_000_000_001], pa.timestamp("us", "UTC"))
    store.write("old", pa.table({"k": stamps}), transaction="1")
    (stats,) = read_log(store.root / "old").file_stats.values()
    assert KeyRanges(pa.table({"k": stamps}), ["k"]).may_be_in(stats)


def test_files_that_cannot_hold_a_key_are_not_read(store, monkeypatch):
    for day in range(1, 6):
        rows = pa.table({"day": pa.array([f"2026-01-0{day}"] * 2), "n": [day, day + 10], "v": [0.5, 1.5]})
        with store.writing("t", "append", transaction=str(day)) as writer:
            writer.write(rows)
            writer.commit()
    read = []

    def watched(log, commit, change, staged):
        decide = change.decide
        read.clear()

        def noting(table):
            read.append(table.num_rows)
            return decide(table)

        object.__setattr__(change, "decide", noting)
        return rewrite(log, commit, change, staged)

    monkeypatch.setattr("headrace.data.store.merging.rewrite", watched)
    store.upsert("t", pa.table({"day": ["2026-01-03"], "n": [13], "v": [9.0]}), keys=["day", "n"], transaction="up")
    assert len(read) == 1
    store.overwrite(
        "t", pa.table({"day": ["2026-01-02"], "n": [7], "v": [8.0]}), where={"day": "2026-01-02"}, transaction="o"
    )
    assert len(read) == 1
    assert sorted(zip(*store.read("t").select(["n", "v"]).to_pydict().values(), strict=True)) == [
        (1, 0.5), (3, 0.5), (4, 0.5), (5, 0.5), (7, 8.0), (11, 1.5), (13, 9.0), (14, 1.5), (15, 1.5),
    ]  # fmt: skip


def test_other_readers_of_delta_filter_by_them_and_find_every_row(store):
    times = [-1, 0, 999, 1_000, 1_500, 86_400_000_001]
    rows = pa.table({
        "t": pa.array(times, pa.timestamp("us", "UTC")),
        "s": ["a", "é", "", "\U0001f600", "zz", "ÿ"],
        "n": [-(2**53) - 1, 2**53 + 1, 0, 1, 2, 3],
    })  # fmt: skip
    for at in range(rows.num_rows):
        with store.writing("t", "append", transaction=str(at)) as writer:
            writer.write(rows.slice(at, 1))
            writer.commit()
    scan = pl.scan_delta(str(store.root / "t"))
    for row in rows.to_pylist():
        for name, value in row.items():
            found = scan.filter(pl.col(name) == pl.lit(value, dtype=scan.collect_schema()[name])).collect()
            assert found.height == 1, (name, value)
    late = scan.filter(pl.col("t") > datetime(1970, 1, 2, tzinfo=UTC)).collect()
    assert late.height == 1
