"""A table as it should be, and fifty ways to damage it, each with the finding and the column that must name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

ORIGINS = ("harbour", "castle", "market", "station", "airport")


def rides(rows: int = 6_000, *, seed: int = 1, days: int = 60) -> pl.DataFrame:
    """Rides of a city: two clocks, quantities with units, categories, missing values, an outcome. In order of time."""
    random = np.random.default_rng(seed)
    day = np.sort(random.integers(0, days, rows))
    hour = np.clip(random.normal(14, 4, rows), 0, 23.99)
    started = (
        1_600_000_000_000_000 - 1_600_000_000_000_000 % 86_400_000_000 + ((day * 24 + hour) * 3_600e6).astype(np.int64)
    )
    order = np.argsort(started, kind="stable")
    distance = random.gamma(3.0, 2.0, rows) + 0.4
    minutes = distance * random.normal(4.0, 0.4, rows).clip(2.5, 6) + random.exponential(3, rows)
    moment = pl.Datetime("us", "UTC")
    frame = pl.DataFrame(
        {
            "ride": np.arange(rows),
            "started_at": pl.Series(started).cast(moment),
            "ended_at": pl.Series(started + (minutes * 60e6).astype(np.int64)).cast(moment),
            "origin": random.choice(ORIGINS, rows, p=[0.35, 0.25, 0.2, 0.15, 0.05]),
            "vehicle": [f"v{number}" for number in random.integers(0, 300, rows)],
            "paid_by": random.choice(["card", "cash", "app"], rows, p=[0.5, 0.2, 0.3]),
            "distance": distance,
            "minutes": minutes,
            "temperature": random.normal(62, 14, rows),
            "pressure": random.normal(1_013, 8, rows),
            "tip_share": random.beta(2, 12, rows),
            "balance": random.normal(20, 15, rows),
            "seats": random.choice([2, 4, 6], rows, p=[0.3, 0.6, 0.1]),
            "rating": pl.Series(random.choice([1, 2, 3, 4, 5], rows)).cast(pl.Int64),
            "late": random.random(rows) < 0.3,
        }
    )
    rated = pl.Series(random.random(rows) < 0.8)
    return frame.with_columns(rating=pl.when(rated).then("rating"), ride=pl.int_range(pl.len()))[order].with_columns(
        ride=pl.int_range(pl.len())
    )


@dataclass(frozen=True)
class Damage:
    """What is done to a sound table, and the finding that must name it."""

    name: str
    damage: Callable[[pl.DataFrame], pl.DataFrame]
    kind: str
    column: str
    words: str = ""


def _times(name: str, factor: float, offset: float = 0.0) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.with_columns((pl.col(name) * factor + offset).alias(name))


def _later(hours: float, *names: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.with_columns(pl.col(name) + timedelta(hours=hours) for name in names)


def _some(frame: pl.DataFrame, share: float, seed: int = 3) -> pl.Series:
    return pl.Series(np.random.default_rng(seed).random(frame.height) < share)


def _replace(name: str, value: object, share: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def damage(frame: pl.DataFrame) -> pl.DataFrame:
        dtype = frame.schema[name]
        new = pl.when(_some(frame, share)).then(pl.lit(value, dtype)).otherwise(pl.col(name))
        return frame.with_columns(new.alias(name))

    return damage


def _one(name: str, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def damage(frame: pl.DataFrame) -> pl.DataFrame:
        new = pl.when(pl.int_range(pl.len()) == 17).then(pl.lit(value, frame.schema[name])).otherwise(pl.col(name))
        return frame.with_columns(new.alias(name))

    return damage


def _swap(a: str, b: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.with_columns(pl.col(b).alias(a), pl.col(a).alias(b))


def _without_days(frame: pl.DataFrame) -> pl.DataFrame:
    day = frame.get_column("started_at").dt.ordinal_day()
    return frame.filter(~day.is_between(day.min() + 20, day.min() + 24))


def _thin_day(frame: pl.DataFrame) -> pl.DataFrame:
    day = frame.get_column("started_at").dt.ordinal_day()
    return frame.filter((day != day.min() + 30) | (pl.int_range(pl.len()) % 10 == 0))


def _fat_day(frame: pl.DataFrame) -> pl.DataFrame:
    day = frame.get_column("started_at").dt.ordinal_day()
    more = frame.filter(day == day.min() + 30)
    many = [more.with_columns(pl.col("distance") + n / 1e3, pl.col("minutes") + n / 1e3) for n in range(1, 6)]
    return pl.concat([frame, *many])


def _half_later(frame: pl.DataFrame) -> pl.DataFrame:
    late = pl.int_range(pl.len()) > frame.height // 2
    moved = [
        pl.when(late).then(pl.col(name) + timedelta(hours=6)).otherwise(pl.col(name)).alias(name)
        for name in ("started_at", "ended_at")
    ]
    return frame.with_columns(moved)


def _without(name: str, value: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.filter(pl.col(name) != value)


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("seats").cast(pl.String))


def _shuffled(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("distance").shuffle(seed=4))


def _leak(frame: pl.DataFrame) -> pl.DataFrame:
    noise = np.random.default_rng(5).normal(0, 0.01, frame.height)
    return frame.with_columns(score=pl.col("late").cast(pl.Float64) + noise)


DAMAGES: tuple[Damage, ...] = (
    Damage("miles as kilometres", _times("distance", 1.609344), "unit_change", "distance", "miles as kilometres"),
    Damage("kilometres as miles", _times("distance", 1 / 1.609344), "unit_change", "distance", "kilometres as miles"),
    Damage("km as m", _times("distance", 1_000), "unit_change", "distance", "1000"),
    Damage("minutes as seconds", _times("minutes", 60), "unit_change", "minutes", "minutes as seconds"),
    Damage("minutes as hours", _times("minutes", 1 / 60), "unit_change", "minutes", "minutes as hours"),
    Damage("inches as millimetres", _times("minutes", 25.4), "unit_change", "minutes", "inches as millimetres"),
    Damage("feet as metres", _times("distance", 0.3048), "unit_change", "distance", "feet as metres"),
    Damage("share as per cent", _times("tip_share", 100), "unit_change", "tip_share", "per cent"),
    Damage("F as C", _times("temperature", 5 / 9, -160 / 9), "unit_change", "temperature", "Fahrenheit as Celsius"),
    Damage("C as K", _times("temperature", 1, 273.15), "unit_change", "temperature", "Celsius as kelvin"),
    Damage("hPa as inHg", _times("pressure", 1 / 33.8639), "unit_change", "pressure", "inches of mercury"),
    Damage("sign flip", _times("balance", -1), "sign_flip", "balance", "sign"),
    Damage(
        "a tenth in metres",
        lambda frame: frame.with_columns(
            distance=pl.when(_some(frame, 0.1)).then(pl.col("distance") * 1_000).otherwise("distance")
        ),
        "mixed_units",
        "distance",
        "1000",
    ),
    Damage("shifted mean", _times("temperature", 1, 6), "distribution", "temperature", "moved"),
    Damage("wider spread", _times("balance", 1.6, -12), "distribution", "balance", "moved"),
    Damage(
        "clipped",
        lambda frame: frame.with_columns(minutes=pl.col("minutes").clip(upper_bound=25)),
        "distribution",
        "minutes",
    ),
    Damage(
        "zeros for missing", _replace("temperature", 0.0, 0.25), "distribution", "temperature", "moved"
    ),
    Damage(
        "dropped category",
        lambda frame: frame.filter(pl.col("origin") != "station"),
        "vanished_values",
        "origin",
        "station",
    ),
    Damage("dropped rare category", _without("origin", "airport"), "vanished_values", "origin", "airport"),
    Damage("new category", _replace("origin", "lighthouse", 0.01), "new_values", "origin", "lighthouse"),
    Damage(
        "upper case",
        lambda frame: frame.with_columns(origin=pl.col("origin").str.to_uppercase()),
        "new_values",
        "origin",
        "HARBOUR",
    ),
    Damage("padded", lambda f: f.with_columns(paid_by=pl.col("paid_by") + " "), "new_values", "paid_by", "card "),
    Damage("category shares", _replace("paid_by", "cash", 0.3), "distribution", "paid_by", "cash"),
    Damage("no nulls", lambda f: f.with_columns(pl.col("rating").fill_null(0)), "null_share", "rating", "missing"),
    Damage("more nulls", _replace("distance", None, 0.06), "null_share", "distance", "missing"),
    Damage("only nulls", lambda f: f.with_columns(tip_share=pl.lit(None, pl.Float64)), "null_share", "tip_share"),
    Damage("constant number", lambda f: f.with_columns(pressure=pl.lit(1013.0)), "constant", "pressure", "1013"),
    Damage("constant text", lambda f: f.with_columns(vehicle=pl.lit("v0")), "constant", "vehicle", "v0"),
    Damage(
        "constant time",
        lambda f: f.with_columns(ended_at=pl.lit(f.get_column("ended_at")[0])),
        "constant",
        "ended_at",
    ),
    Damage("swapped numbers", _swap("temperature", "balance"), "swapped", "temperature, balance", "swapped"),
    Damage("swapped strings", _swap("origin", "paid_by"), "swapped", "origin, paid_by", "swapped"),
    Damage("local time as UTC", _later(-5, "started_at", "ended_at"), "clock_shift", "started_at", "5 h earlier"),
    Damage("half-hour zone", _later(5.5, "started_at", "ended_at"), "clock_shift", "ended_at", "5.5 h later"),
    Damage("one clock of two", _later(3, "ended_at"), "clock_shift", "ended_at", "3 h later"),
    Damage("zone change in the middle", _half_later, "clock_shift", "started_at", "6 h later"),
    Damage("file read twice", lambda f: pl.concat([f, f]), "duplicated_rows", "", "6,000"),
    Damage("part read twice", lambda f: pl.concat([f, f[1_000:1_500]]), "duplicated_rows", "", "500"),
    Damage(
        "part read twice, shuffled",
        lambda f: pl.concat([f, f[1_000:1_500].sample(fraction=1, shuffle=True, seed=2)]),
        "duplicated_rows",
        "",
        "500",
    ),
    Damage("missing days", _without_days, "gap", "started_at", "no row for"),
    Damage("a thin day", _thin_day, "volume", "started_at", "fewer"),
    Damage("a fat day", _fat_day, "volume", "started_at", "more"),
    Damage("year 9999", _one("ended_at", datetime(9999, 12, 31, tzinfo=UTC)), "outliers", "ended_at", "9999"),
    Damage("year 1900", _one("ended_at", datetime(1900, 1, 1, tzinfo=UTC)), "outliers", "ended_at", "1900"),
    Damage("placeholder -99999", _one("pressure", -99_999.0), "outliers", "pressure", "1 value"),
    Damage("shuffled column", _shuffled, "relation", "distance, minutes", "correlation"),
    Damage("given away", _leak, "leakage", "score", "late"),
    Damage("lost column", lambda f: f.drop("seats"), "missing_column", "seats", "no longer"),
    Damage("numbers as text", _as_text, "changed_type", "seats", "string"),
    Damage("new column", lambda f: f.with_columns(extra=pl.lit(1.5) * pl.int_range(pl.len())), "new_column", "extra"),
    Damage("kelvin twice", _times("temperature", 5 / 9, 255.372222), "unit_change", "temperature", "as kelvin"),
)  # fmt: skip
