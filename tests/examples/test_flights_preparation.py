"""The flights' clock times become the right moments: recomputed with the standard library's time zones alone."""

import csv
import io
import runpy
import sys
import zipfile
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from headrace.data import CsvSource, TableStore, ingest

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
NEW_YORK = ZoneInfo("America/New_York")
FLIGHTS, WEATHER, PLANES = 336_776, 26_115, 3_322
SPRING, AUTUMN = date(2013, 3, 10), date(2013, 11, 3)
COLUMNS = {
    "flights": {
        "year": "int64", "month": "int64", "day": "int64", "sched_dep_time": "int64", "dep_delay": "int64",
        "sched_arr_time": "int64", "arr_time": "int64", "arr_delay": "int64", "carrier": "string", "flight": "int64",
        "tailnum": "string", "origin": "string", "dest": "string", "air_time": "int64", "distance": "int64",
        "time_hour": "timestamp",
    },
    "weather": {
        "origin": "string", "temp": "float64", "dewp": "float64", "humid": "float64", "wind_dir": "float64",
        "wind_speed": "float64", "wind_gust": "float64", "precip": "float64", "pressure": "float64",
        "visib": "float64", "time_hour": "timestamp",
    },
    "planes": {
        "tailnum": "string", "year": "int64", "type": "string", "manufacturer": "string", "model": "string",
        "engines": "int64", "seats": "int64",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def preparation():
    return runpy.run_path(str(EXAMPLE / "preparation.py"))


@pytest.fixture(scope="module")
def ingested(preparation, tmp_path_factory):
    store = TableStore(tmp_path_factory.mktemp("tables"))
    results = {}
    for name, columns in COLUMNS.items():
        source = CsvSource(
            preparation[f"{name}_file"], columns, prepare=preparation[f"prepare_{name}"], line_column="source_line"
        )
        results[name] = ingest(source, store, name)
    return store, results


@pytest.fixture(scope="module")
def flights(ingested):
    return pl.from_arrow(ingested[0].read("flights")).to_dicts()


@pytest.fixture(scope="module")
def raw(preparation):
    """The file's rows as the standard library reads them."""
    with zipfile.ZipFile(preparation["flights_file"]()) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def zones(preparation):
    """Zone of each destination: airports.csv, and what an atlas says of the four it lacks."""
    with preparation["data_file"]("airports.csv").open() as handle:
        listed = {row["faa"]: row["tzone"] for row in csv.DictReader(handle)}
    atlas = {
        "BQN": "America/Puerto_Rico",
        "PSE": "America/Puerto_Rico",
        "SJU": "America/Puerto_Rico",
        "STT": "America/St_Thomas",
    }
    return {code: ZoneInfo(zone) for code, zone in (listed | atlas).items() if zone not in ("NA", "\\N", "")}


@pytest.fixture(scope="module")
def sample(raw, flights):
    """Both days of each clock change, all of every destination's first 40 flights, and every 97th flight."""
    seen = Counter()
    chosen = []
    for row, flight in zip(raw, flights, strict=True):
        seen[row["dest"]] += 1
        day = date(int(row["year"]), int(row["month"]), int(row["day"]))
        near = any(abs((day - change).days) <= 1 for change in (SPRING, AUTUMN))
        if near or seen[row["dest"]] <= 40 or flight["source_line"] % 97 == 0:
            chosen.append((row, flight))
    return chosen


def moment(day, clock, zone):
    """UTC moment of a local clock time such as 517; 2400 is the day's midnight as the file means it."""
    minutes = (clock // 100 * 60 + clock % 100) % 1440
    return datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone).astimezone(UTC)


def scheduled(row):
    day = date(int(row["year"]), int(row["month"]), int(row["day"]))
    return moment(day, int(row["sched_dep_time"]), NEW_YORK)


def due(row, zone):
    """The first moment after departure at which the destination's clock shows the scheduled arrival."""
    departs = scheduled(row)
    local = departs.astimezone(zone).date()
    tries = [moment(local + timedelta(days=ahead), int(row["sched_arr_time"]), zone) for ahead in (0, 1)]
    return next(found for found in tries if found > departs)


def test_every_row_of_the_three_files_is_read_and_none_is_quarantined(ingested):
    store, results = ingested
    for name, rows in (("flights", FLIGHTS), ("weather", WEATHER), ("planes", PLANES)):
        found = results[name]
        assert (found.rows_read, found.rows_quarantined, found.version.rows) == (rows, 0, rows), name
    assert store.names() == ["flights", "planes", "weather"]


def test_rows_stay_in_the_order_of_the_file(flights, raw):
    assert [flight["source_line"] for flight in flights] == list(range(2, FLIGHTS + 2))
    assert all(flight["flight"] == int(row["flight"]) for flight, row in zip(flights, raw, strict=True))


def test_ids_are_unique_and_say_which_flight_it_is(flights, raw):
    assert len({flight["flight_id"] for flight in flights}) == FLIGHTS
    for flight, row in zip(flights[::997], raw[::997], strict=True):
        day = f"{row['year']}{int(row['month']):02}{int(row['day']):02}"
        assert flight["flight_id"] == f"{day}-{row['carrier']}{row['flight']}-{row['origin']}-{row['dest']}"


def test_departures_are_the_moments_zoneinfo_gives(sample):
    assert len(sample) > 5_000
    for row, flight in sample:
        assert flight["departs_at"] == scheduled(row), row


def test_departures_agree_with_the_hour_the_file_gives_in_utc(flights):
    """An independent column of the file: `time_hour` is the scheduled hour, recorded in UTC."""
    for flight in flights:
        assert flight["departs_at"].replace(minute=0) == flight["time_hour"]


def test_departures_follow_the_clock_over_both_changes(flights):
    def offsets(day):
        return {
            (flight["departs_at"].astimezone(NEW_YORK).utcoffset() / timedelta(hours=1))
            for flight in flights
            if flight["departs_at"].astimezone(NEW_YORK).date() == day
        }

    assert offsets(SPRING - timedelta(days=1)) == {-5}
    assert offsets(SPRING) == {-4}, "nothing departs between midnight and two"
    assert offsets(AUTUMN - timedelta(days=1)) == {-4}
    assert offsets(AUTUMN) == {-5}


def test_arrivals_are_the_moments_zoneinfo_gives_at_every_destination(sample, zones):
    checked = Counter()
    for row, flight in sample:
        assert flight["due_at"] == due(row, zones[row["dest"]]), row
        landed = None if row["arr_delay"] == "NA" else flight["due_at"] + timedelta(minutes=int(row["arr_delay"]))
        assert flight["arrives_at"] == landed, row
        checked[row["dest"]] += 1
    assert len(checked) == 105
    assert len({str(zones[dest]) for dest in checked}) >= 8


def test_arrival_delay_and_recorded_arrival_clock_agree(flights):
    """Arr = sched_arr + arr_delay: the three are recorded apart, so equal clocks prove conversion and midnight."""
    gaps = Counter(flight["clock_gap"] for flight in flights if flight["arrives_at"] is not None)
    landed = sum(gaps.values())
    assert landed == FLIGHTS - 9_430
    assert gaps == {0: landed - 1, -60: 1}
    (odd,) = [flight for flight in flights if flight["clock_gap"] == -60]
    # It landed at 3:03 in the night when clocks were put forward from 2:00 to 3:00; the airline's showed 2:03.
    assert odd["flight_id"] == "20130309-B635-JFK-PBI"
    assert odd["arrives_at"].astimezone(NEW_YORK).isoformat() == "2013-03-10T03:03:00-04:00"


def test_arrivals_after_midnight_are_on_the_next_day_there(flights, zones, raw):
    crossing = 0
    for flight, row in zip(flights, raw, strict=True):
        if flight["arrives_at"] is None or flight["clock_gap"] != 0 or int(row["arr_time"]) > 300:
            continue
        if int(row["sched_dep_time"]) < 1200:
            continue
        zone = zones[row["dest"]]
        departed = flight["departs_at"].astimezone(zone).date()
        crossing += flight["arrives_at"].astimezone(zone).date() > departed
    assert crossing > 5_000


def test_scheduled_durations_are_possible(flights):
    """Longer than the great circle at 700 mph, shorter than a day; Honolulu takes the longest."""
    longest = defaultdict(int)
    for flight in flights:
        assert flight["distance"] / 700 * 60 < flight["scheduled_minutes"] < 800, flight
        longest[flight["dest"]] = max(longest[flight["dest"]], flight["scheduled_minutes"])
    assert max(longest, key=longest.get) == "HNL"


def test_cancelled_flights_never_left_nor_landed_and_have_no_delay(flights, raw):
    cancelled = diverted = 0
    for flight, row in zip(flights, raw, strict=True):
        if row["dep_time"] == "NA":
            cancelled += 1
            assert flight["dep_delay"] is flight["arr_delay"] is flight["left_at"] is flight["arrives_at"] is None
        elif row["arr_delay"] == "NA":
            diverted += 1
            assert flight["arr_delay"] is flight["arrives_at"] is None
            assert flight["left_at"] == flight["departs_at"] + timedelta(minutes=int(row["dep_delay"]))
        else:
            assert flight["arrives_at"] > flight["left_at"]
    assert (cancelled, cancelled + diverted) == (8_255, 9_430)


def test_a_flight_waits_until_it_leaves_and_its_aircraft_is_expected_back_after_as_long_again(flights, raw):
    """Both are known no earlier than they can be: at the moment of the check, and since the flight left."""
    for flight, row in zip(flights, raw, strict=True):
        for minutes in (15, 60):
            assert flight[f"check_{minutes}_at"] == flight["departs_at"] + timedelta(minutes=minutes)
            gone = flight["left_at"] is not None and flight["left_at"] <= flight[f"check_{minutes}_at"]
            assert flight[f"waiting_{minutes}"] == int(not gone)
        if flight["left_at"] is None:
            assert flight["turns_at"] is None
        else:
            back = flight["left_at"] + 2 * timedelta(minutes=flight["scheduled_minutes"])
            assert flight["turns_at"] == back - timedelta(hours=5)
        assert flight["minute_of_day"] == int(row["sched_dep_time"]) // 100 * 60 + int(row["sched_dep_time"]) % 100


def test_weather_is_known_from_the_end_of_its_hour_and_once_a_moment(ingested, preparation):
    """Also in November's repeated hour, whose local columns come twice."""
    found = pl.from_arrow(ingested[0].read("weather"))
    assert found.select("origin", "observed_at").is_unique().all()
    with preparation["weather_file"]().open() as handle:
        for row, line in zip(csv.DictReader(handle), found.to_dicts(), strict=True):
            hour = datetime.fromisoformat(row["time_hour"])
            assert line["observed_at"] == hour + timedelta(hours=1)
            local = hour.astimezone(NEW_YORK)
            assert (local.month, local.day, local.hour) == (int(row["month"]), int(row["day"]), int(row["hour"]))


def test_planes_come_once_with_their_year(ingested):
    found = pl.from_arrow(ingested[0].read("planes"))
    assert found["tailnum"].is_unique().all()
    assert found["tailnum"].null_count() == 0
    assert found["year_built"].drop_nulls().is_between(1950, 2013).mean() > 0.999


def test_a_destination_of_no_known_zone_has_no_arrival_but_stays(preparation):
    rows = pl.LazyFrame(
        {
            "year": [2013] * 2, "month": [7] * 2, "day": [1] * 2, "sched_dep_time": [900] * 2, "dep_delay": [5] * 2,
            "sched_arr_time": [1200] * 2, "arr_time": [1210] * 2, "arr_delay": [10] * 2, "carrier": ["AA"] * 2,
            "flight": [1, 2], "tailnum": ["N1"] * 2, "origin": ["JFK"] * 2, "dest": ["XXX", "BOS"],
            "air_time": [40] * 2, "distance": [187] * 2, "time_hour": [datetime(2013, 7, 1, 13, tzinfo=UTC)] * 2,
            "source_line": [2, 3],
        }
    )  # fmt: skip
    unknown, boston = preparation["prepare_flights"](rows).collect().to_dicts()
    assert unknown["due_at"] is unknown["arrives_at"] is unknown["clock_gap"] is None
    assert unknown["departs_at"] == datetime(2013, 7, 1, 13, tzinfo=UTC)
    assert boston["arrives_at"] == datetime(2013, 7, 1, 16, 10, tzinfo=UTC)
    assert boston["clock_gap"] == 0


def test_a_package_that_is_not_installed_is_told_with_the_way_out(preparation, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(FileNotFoundError, match="pip install 'headrace\\[demo\\]'"):
        preparation["data_file"]("flights.csv.zip")


def test_a_file_the_package_does_not_hold_is_named(preparation):
    with pytest.raises(FileNotFoundError, match=r"holds no file x\.csv"):
        preparation["data_file"]("x.csv")
