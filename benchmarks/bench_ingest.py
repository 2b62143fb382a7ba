"""Ingestion: a CSV file, plain and with quoted text, and a Parquet file become a version of a Delta table.

Against Polars, which reads the same file with the same declared types and writes it with `write_delta`, and in the CSV
cases turns the text of times into moments as well. Headrace does more: every record is counted and has a line number,
what does not parse would be set aside, values are read strictly, the version's content is digested, and files, log and
folders are synced when it returns. The third contender does what a run does next: it reads the version back, checks it
against its digests and a schema of 20 checks (types, nulls, ranges, domains, patterns, uniqueness, order), and compares
it with a frozen reference. Every run writes a table that was not there. Checked before and after timing: all tables
hold the same rows.

    python benchmarks/bench_ingest.py [--smoke] [--output build/bench/ingest.json]
"""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from deltalake import DeltaTable
from measure import Contender, Measurement, Work, measure, measure_sizes

from headrace.data import CsvSource, ParquetSource, Source, TableStore, ingest
from headrace.validation import Field, Ordered, Schema
from headrace.validation.anomalies import TableReference, freeze
from headrace.validation.examination import Extent, examine

COLUMNS = {
    "id": "int64", "at": "timestamp", "key": "int64", "amount": "float64", "ratio": "float64", "score": "float64",
    "place": "string", "code": "string", "flag": "bool", "count": "int64",
}  # fmt: skip
POLARS_TYPES = {"int64": pl.Int64, "float64": pl.Float64, "bool": pl.Boolean}
FOLDER = Path(tempfile.mkdtemp(prefix="bench-ingest-"))
RUNS = itertools.count()


@dataclass(frozen=True)
class Case:
    """What is read, how many rows of it, and how often each contender runs."""

    kind: str
    rows: int
    rounds: int


FULL = (Case("csv", 3_000_000, 5), Case("quoted csv", 3_000_000, 5), Case("parquet", 3_000_000, 5))
SMOKE = (Case("csv", 20_000, 2), Case("quoted csv", 20_000, 2), Case("parquet", 20_000, 2))


def make_rows(rows: int, *, seed: int = 5) -> pl.DataFrame:
    """Events with numbers of several widths, short text with few and with many values, times, and missing values."""
    random = np.random.default_rng(seed)
    at = 1_400_000_000 + np.sort(random.integers(0, 30_000_000, rows))
    frame = pl.DataFrame(
        {
            "id": np.arange(rows),
            "at": (pl.Series(at) * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "key": random.integers(0, 50_000, rows),
            "amount": np.round(random.lognormal(2, 1, rows), 2),
            "ratio": np.round(random.normal(0, 1, rows), 6),
            "score": random.random(rows),
            "place": pl.Series(["EWR", "JFK", "LGA", "ORD", "SFO"]).gather(random.integers(0, 5, rows)),
            "code": pl.Series([f"N{number}AA" for number in range(4_000)]).gather(random.integers(0, 4_000, rows)),
            "flag": random.random(rows) < 0.5,
            "count": random.integers(0, 10, rows),
        }
    )
    missing = pl.Series(random.random(rows) < 0.02)
    return frame.with_columns(amount=pl.when(missing).then(None).otherwise(pl.col("amount")))


def write_file(case: Case) -> Path:
    """The file that is read."""
    frame, path = make_rows(case.rows), FOLDER / f"{case.kind.replace(' ', '-')}-{case.rows}"
    if case.kind == "parquet":
        frame.write_parquet(path, compression="snappy")
    else:
        style = "non_numeric" if case.kind == "quoted csv" else "necessary"
        frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ", quote_style=style)
    return path


def run_polars(case: Case, path: Path) -> Path:
    """Read with Polars, write with Polars; the table's folder."""
    target = FOLDER / f"polars-{next(RUNS)}"
    if case.kind == "parquet":
        frame = pl.read_parquet(path)
    else:
        types = {name: POLARS_TYPES.get(dtype, pl.String) for name, dtype in COLUMNS.items()}
        frame = pl.read_csv(path, schema_overrides=types, null_values=["", "NA"])
        at = pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us").dt.replace_time_zone("UTC")
        frame = frame.with_columns(at)
    frame.write_delta(str(target))
    return target


def run_headrace(case: Case, path: Path, *, named: str = "headrace") -> Path:
    """Ingest; the table's folder."""
    store = TableStore(FOLDER / f"{named}-{next(RUNS)}")
    source: Source = ParquetSource(path) if case.kind == "parquet" else CsvSource(path, COLUMNS)
    result = ingest(source, store, "events")
    assert result.rows_read == case.rows
    assert not result.rows_quarantined
    return store.root / "events"


SCHEMA = Schema(
    [
        Field("id", "int64", min=0, unique=True),
        Field("at", "timestamp", not_before="2010-01-01", not_after="2030-01-01"),
        Field("key", "int64", min=0, max=50_000),
        Field("amount", "float64", nullable=True, min=0, max=1e6, null_share_at_most=0.05),
        Field("ratio", "float64", min=-10, max=10),
        Field("score", "float64", min=0, max=1),
        Field("place", "string", allowed=("EWR", "JFK", "LGA", "ORD", "SFO")),
        Field("code", "string", pattern="N[0-9]{1,4}AA"),
        Field("flag", "bool"),
        Field("count", "int64", allowed=tuple(range(10))),
    ],
    rules=[Ordered("at")],
)


@cache
def reference() -> TableReference:
    """Of other rows of the same kind; how many there are a day is not compared."""
    frozen = freeze(make_rows(200_000, seed=6), time_column="at")
    return replace(frozen, daily=())


def run_validated(case: Case, path: Path) -> Path:
    """Ingest, read back, check and compare; the table's folder."""
    table = run_headrace(case, path, named="validated")
    extent = Extent(reference(), facts=False, bias=False)
    examined = examine("events", TableStore(table.parent).read("events"), SCHEMA, extent=extent)
    assert examined.report is not None
    assert not examined.report.rejected.num_rows
    assert all(check.status == "passed" for check in (*examined.checks, *examined.comparisons)), examined.comparisons
    return table


def and_forget(run: Any, case: Case, path: Path) -> Path:
    """One run; tables of earlier ones are removed, so that the disk does not fill."""
    table: Path = run(case, path)
    made = table if table.parent == FOLDER else table.parent
    for old in FOLDER.glob(f"{made.name.split('-')[0]}-*"):
        if old != made:
            shutil.rmtree(old)
    return table


def check(answers: Mapping[str, Any]) -> None:
    """All tables hold the same rows."""
    frames = [
        pl.DataFrame(DeltaTable(str(path)).to_pyarrow_table(columns=list(COLUMNS))).sort("id")
        for path in answers.values()
    ]
    assert all(frames[0].equals(frame) for frame in frames[1:]), "the tables differ"


def compare(case: Case) -> Measurement:
    """Measure one case."""
    path = write_file(case)
    return measure(
        [
            Contender("polars, write_delta", partial(and_forget, run_polars, case, path)),
            Contender("headrace ingest", partial(and_forget, run_headrace, case, path)),
            Contender("headrace ingest, full validation", partial(and_forget, run_validated, case, path)),
        ],
        title=f"{case.kind} of {path.stat().st_size / 1e6:.0f} MB to Delta",
        check=check,
        work=Work(case.rows, "row"),
        rounds=case.rounds,
    )


if __name__ == "__main__":
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
    measure_sizes("ingest", __doc__, compare, full=FULL, smoke=SMOKE, facts={"polars_threads": pl.thread_pool_size()})
