from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest


@pytest.fixture(scope="session")
def small_flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flights of January to April from EWR and LGA, times in UTC (these months' midnights do not matter here)."""
    sys.path.insert(0, "examples/flights")
    try:
        from preparation import flights_file
    finally:
        sys.path.remove("examples/flights")
    source = flights_file()
    content = source.read_bytes() if source.suffix != ".zip" else _unzip(source)
    due = pl.col("time_hour").str.to_datetime(time_zone="UTC") + pl.duration(minutes="minute")
    small = (
        pl.read_csv(io.BytesIO(content), null_values="NA")
        .filter((pl.col("month") <= 4) & (pl.col("origin") != "JFK"))
        .with_columns(due=due)
        .select(
            pl.format("{}-{}", "carrier", pl.int_range(pl.len())).alias("id"),
            "origin",
            "carrier",
            "due",
            landed=pl.col("due") + pl.duration(minutes=pl.col("arr_delay") + 120),
            delay="arr_delay",
            distance="distance",
        )
    )
    file = tmp_path_factory.mktemp("flights") / "flights.csv"
    small.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return file


def _unzip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])
