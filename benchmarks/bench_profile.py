"""A profile of 10 million rows x 30 columns in a Parquet file, beside the same statistics asked of Polars.

The table has 12 columns of floats (4 of them rounded, with nulls), 6 of integers, 2 of booleans, 3 of times, and 7 of
strings (from 12 to 10 million different ones). The rivals compute, a column at a time so that memory does not decide:
nulls, distinct values, NaN, infinite values, zeros, negatives, range, mean, standard deviation, skewness, kurtosis,
seven quantiles, a histogram of 30 bins between the outer ones, the ten most frequent values, lengths of strings, order,
steps back and the ten longest gaps of times; then Pearson's coefficient of all pairs of numeric columns.
`polars, exact` counts distinct values (n_unique), `polars, estimates` estimates them (approx_n_unique), as headrace
does above its bounds. Each run is a process of its own, from its start to the answer, so that its peak memory is its
own; two threads each. Checked: counts and ranges equal, moments to 1e-9, correlations to 1e-6, quantiles by their rank
to 0.1 %, distinct values to 4 standard errors, frequent values within the stated bound. The full size takes
a quarter of an hour.

    python benchmarks/bench_profile.py [--smoke] [--output build/bench/profile.json]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from measure import Contender, Measurement, Work, measure, measure_sizes

THREADS = 2
CHUNK = 500_000
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 30
FULL = (10_000_000,)
SMOKE = (200_000,)
ROUNDS = 3


def make_chunk(random: np.random.Generator, start: int, rows: int) -> pa.Table:
    """The table's next rows; the same for the same seed and chunk."""
    columns: dict[str, Any] = {f"normal_{at}": random.normal(at, 1 + at, rows) for at in range(6)}
    columns["half_of_0"] = columns["normal_0"] * 0.5 + random.normal(size=rows)
    columns["tails"] = random.standard_cauchy(rows)
    for at in range(4):
        price = np.round(random.lognormal(3, 1, rows), 2)
        columns[f"price_{at}"] = pa.array(price, mask=random.random(rows) < 0.05 * at)
    columns["row"] = np.arange(start, start + rows)
    columns["wide"] = random.integers(-(2**62), 2**62, rows)
    for at, limit in enumerate((12, 100, 10_000)):
        columns[f"count_{at}"] = random.integers(0, limit, rows)
    columns["count_3"] = pa.array(random.integers(-1_000_000, 1_000_000, rows), mask=random.random(rows) < 0.1)
    columns["flag"] = random.random(rows) < 0.3
    columns["maybe"] = pa.array(random.random(rows) < 0.5, mask=random.random(rows) < 0.02)
    first = 1_600_000_000_000_000
    ascending = first + np.arange(start, start + rows) * 3_000_000 + random.integers(0, 1_000_000, rows)
    columns["at"] = pa.array(ascending, pa.timestamp("us", "UTC"))
    columns["due"] = pa.array(ascending + random.integers(0, 10**10, rows), pa.timestamp("us", "UTC"))
    columns["seen"] = pa.array(first + random.integers(0, 3 * 10**7, rows) * 10**6, pa.timestamp("us", "UTC"))
    words = np.array([f"word_{at}" for at in range(5_000)])
    columns["carrier"] = words[random.integers(0, 12, rows)]
    columns["skewed"] = words[(random.random(rows) ** 3 * 1_000).astype(np.int64)]
    columns["sparse"] = pa.array(words[random.integers(0, 100, rows)], mask=random.random(rows) < 0.4)
    columns["town"] = words[random.integers(0, 3_000, rows)]
    columns["word"] = words[random.integers(0, 5_000, rows)]
    columns["user"] = np.char.add("user_", random.integers(0, 2_000_000, rows).astype(str))
    columns["key"] = np.char.add("k", np.arange(start, start + rows).astype(str))
    return pa.table(columns)


def make_file(path: Path, rows: int) -> None:
    """Write the table, 500,000 rows a row group."""
    random = np.random.default_rng(17)
    schema = make_chunk(np.random.default_rng(0), 0, 1).schema
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, CHUNK):
            writer.write_table(make_chunk(random, start, min(CHUNK, rows - start)))


def answer_headrace(path: Path) -> dict[str, Any]:
    """The profile, as its JSON."""
    from headrace.data.profiling import profile_file

    return profile_file(path, threads=THREADS).profile.to_json()


def answer_polars(path: Path, *, estimates: bool) -> dict[str, Any]:
    """The same statistics, asked in Polars' own words."""
    schema = pl.read_parquet_schema(path)
    columns = {name: _polars_column(path, name, dtype, estimates=estimates) for name, dtype in schema.items()}
    numeric = [name for name, dtype in schema.items() if dtype.is_numeric()]
    pairs = [(left, right) for at, right in enumerate(numeric) for left in numeric[:at]]
    frame = pl.read_parquet(path, columns=numeric)
    found = frame.select(pl.corr(left, right).alias(f"{left} {right}") for left, right in pairs).row(0, named=True)
    return {"rows": frame.height, "columns": columns, "correlations": found}


def _polars_column(path: Path, name: str, dtype: pl.DataType, *, estimates: bool) -> dict[str, Any]:
    frame = pl.read_parquet(path, columns=[name])
    value = pl.col(name)
    asked = {
        "nulls": value.null_count(),
        "distinct": (value.drop_nulls().approx_n_unique() if estimates else value.drop_nulls().n_unique()),
    }
    if dtype.is_float():
        asked |= {"nan": value.is_nan().sum(), "infinite": value.is_infinite().sum()}
    if dtype.is_numeric():
        asked |= {"zeros": (value == 0).sum(), "negatives": (value < 0).sum()}
        asked |= {"mean": value.mean(), "std": value.std(ddof=0), "skew": value.skew(), "kurtosis": value.kurtosis()}
    if dtype.is_numeric() or dtype.is_temporal():
        asked |= {"min": value.min(), "max": value.max()}
        asked |= {f"p{share * 100:02.0f}": value.quantile(share, "lower") for share in SHARES}
    if dtype.is_integer() or dtype.is_temporal():
        present = value.drop_nulls()
        asked |= {"down": (present < present.shift(1)).sum()}
    if dtype == pl.String:
        length = value.str.len_chars()
        asked |= {"shortest": length.min(), "longest": length.max(), "length": length.mean()}
        asked |= {"empty": (length == 0).sum()}
        asked |= {f"length_{share}": length.quantile(share) for share in (0.5, 0.95, 0.99)}
    found = frame.lazy().select(**asked).collect().row(0, named=True)
    found["top"] = frame[name].drop_nulls().value_counts().top_k(10, by="count").rows()
    if dtype.is_temporal():
        found["gaps"] = frame[name].drop_nulls().unique().sort().diff().top_k(10).to_list()
    if dtype.is_numeric() or dtype.is_temporal():
        physical = frame[name].drop_nulls().to_physical().cast(pl.Float64)
        low, high = physical.quantile(SHARES[0]), physical.quantile(SHARES[-1])
        found["histogram"] = physical.hist(np.linspace(low, high, BINS + 1).tolist())["count"].to_list()
    return found


def run_apart(name: str, path: Path, peaks: dict[str, float]) -> dict[str, Any]:
    """A contender's answer, from a process of its own; its peak memory, in MB, goes to `peaks`."""
    command = [sys.executable, __file__, "--answer", name, str(path)]
    environment = os.environ | {"POLARS_MAX_THREADS": str(THREADS)}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    answer: dict[str, Any] = json.loads(done.stdout)
    peaks[name] = max(peaks.get(name, 0.0), answer.pop("peak_mb"))
    return answer


def answer_apart(name: str, path: Path) -> None:
    """What the process of its own does."""
    answer = ANSWERS[name](path)
    answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    json.dump(answer, sys.stdout, default=str)


def check(path: Path, answers: Mapping[str, Any]) -> None:
    """Exact figures are equal, estimates within what they state."""
    ours, exact = answers["headrace"], answers["polars, exact"]
    assert ours["rows"] == exact["rows"]
    for column in ours["columns"]:
        theirs = exact["columns"][column["name"]]
        _check_column(column, theirs, column["name"])
    names = ours["correlations"]["columns"]
    for pair, value in exact["correlations"].items():
        left, right = (names.index(name) for name in pair.split(" "))
        assert abs(ours["correlations"]["values"][left][right] - value) < 1e-6, pair
    _check_ranks(path, ours["columns"])


def _check_column(ours: Mapping[str, Any], theirs: Mapping[str, Any], name: str) -> None:
    for fact in ("nulls", "nan", "infinite", "zeros", "negatives"):
        assert ours.get(fact, 0) == theirs.get(fact, 0), (name, fact)
    if ours["kind"] in ("int", "float"):
        assert (ours["min"], ours["max"]) == (theirs["min"], theirs["max"]), name
        largest = max(abs(ours["min"]), abs(ours["max"]))
        assert abs(ours["mean"] - theirs["mean"]) <= 1e-9 * largest, name
        assert abs(ours["std"] - theirs["std"]) <= 1e-9 * largest, name
    bound = 0 if ours["distinct_exact"] else 4 * 0.0079
    assert abs(ours["distinct"] / theirs["distinct"] - 1) <= bound, name
    if "steps_back" in ours:
        assert ours["steps_back"] == theirs["down"], name
    slack = ours["top_error"]
    counts = [count for _, count in theirs["top"]]
    for entry, count in zip(ours.get("top", ()), counts, strict=False):
        assert count - slack <= entry["count"] <= count, name
    if "lengths" in ours:
        lengths = ours["lengths"]
        assert (lengths["min"], lengths["max"]) == (theirs["shortest"], theirs["longest"]), name
        assert lengths["empty"] == theirs["empty"], name


def _check_ranks(path: Path, columns: list[dict[str, Any]]) -> None:
    for column in columns:
        if column["kind"] not in ("int", "float"):
            continue
        values = pl.read_parquet(path, columns=[column["name"]])[column["name"]].drop_nulls()
        for name, quantile in column["quantiles"].items():
            below, at = (values < quantile).sum() / len(values), (values <= quantile).sum() / len(values)
            assert below - 0.001 <= int(name[1:]) / 100 <= at + 0.001, (column["name"], name)


ANSWERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "polars, exact": partial(answer_polars, estimates=False),
    "polars, estimates": partial(answer_polars, estimates=True),
    "headrace": answer_headrace,
}


def compare(rows: int) -> Measurement:
    """Measure one size; memory is printed beside the times."""
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        make_file(path, rows)
        found = measure(
            [Contender(name, partial(run_apart, name, path, peaks)) for name in ANSWERS],
            title=f"profile, {rows:,} rows x 30 columns, {path.stat().st_size / 1e6:,.0f} MB",
            check=partial(check, path), work=Work(rows, "row"), rounds=ROUNDS,
        )  # fmt: skip
    print("peak memory: " + ", ".join(f"{name} {peak:,.0f} MB" for name, peak in peaks.items()))
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--answer"]:
        answer_apart(sys.argv[2], Path(sys.argv[3]))
    else:
        measure_sizes("profile", __doc__, compare, full=FULL, smoke=SMOKE, facts={"threads": THREADS})
