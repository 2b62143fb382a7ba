"""Events larger than memory: 18 window features of a file, built by a process that may take less than the file.

The file (Arrow, 32 bytes an event: key, time, value, amount) is made chunk by chunk. The build runs in a child process
under a memory limit that the kernel enforces (a cgroup where one can be made, else RLIMIT_DATA): too much memory ends
it. Checked: every row of some keys equals, bit for bit, what `compute` gives in memory from these keys' events.

    python benchmarks/bench_streaming.py [--smoke | --full | --events N --limit-mb M] [--output FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from measure import write_results

import headrace.features as hr
from headrace.features.build import ArrowSource, BuildSettings, build

DAYS = 90
EVENTS_A_KEY = 100
CHUNK = 1 << 20
SAMPLE_KEYS = 200
DTYPES = {"key": "int64", "moment": "timestamp", "value": "float64", "amount": "int64"}
CGROUPS = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True)
class Size:
    """How many events, and what the building process may take."""

    events: int
    limit_mb: int


SMOKE, USUAL, FULL = Size(300_000, 400), Size(10_000_000, 700), Size(100_000_000, 4_000)


def main() -> None:
    """Make the file, build, check, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--full", action="store_true", help="100 million events under a limit of 4 GB")
    parser.add_argument("--events", type=int)
    parser.add_argument("--limit-mb", type=int)
    parser.add_argument("--folder", type=Path, help="where the files go (20 GB for --full); a temporary folder else")
    parser.add_argument("--output", type=Path, default=Path("build/bench/streaming.json"))
    chosen = parser.parse_args()
    usual = SMOKE if chosen.smoke else FULL if chosen.full else USUAL
    size = Size(chosen.events or usual.events, chosen.limit_mb or usual.limit_mb)
    folder = Path(tempfile.mkdtemp(prefix="streaming-", dir=chosen.folder))
    try:
        facts = run(size, folder)
    finally:
        shutil.rmtree(folder)
    print(
        f"{facts['events']:,} events ({facts['file_gb']:.2f} GB), {facts['features']} features, "
        f"limit {facts['limit_gb']:.2f} GB ({facts['limited_by']})\n"
        f"  built in {facts['build_s']:.1f} s ({facts['events_per_s']:,.0f} events/s), {facts['pieces']} partitions\n"
        f"  peak of the process {facts['peak_gb']:.2f} GB; without data {facts['floor_gb']:.2f} GB\n"
        f"  {facts['checked_rows']:,} rows of {facts['checked_keys']} keys equal the result in memory, bit for bit"
    )
    write_results(chosen.output, "streaming", [], facts)


def run(size: Size, folder: Path) -> dict[str, Any]:
    """One measurement."""
    events = folder / "events.arrow"
    make_file(events, size.events)
    (folder / "plan.json").write_text(json.dumps(make_plan().to_json()))
    limited_by, built = build_limited(folder, size.limit_mb)
    checked_rows, checked_keys = check_sample(events, folder / "matrix.npy", size.events)
    return {
        "events": size.events,
        "file_gb": events.stat().st_size / 1e9,
        "features": len(make_plan().features),
        "limit_gb": size.limit_mb / 1e3,
        "limited_by": limited_by,
        "events_per_s": size.events / built["build_s"],
        "checked_rows": checked_rows,
        "checked_keys": checked_keys,
        **built,
    }


def make_plan() -> hr.FeaturePlan:
    """18 features: six statistics over three widths."""
    table = hr.EventTable("events", keys=["key"], event_time="moment", resolution=2**-6)
    values = [hr.Sum(), hr.Mean(), hr.Std(), hr.Min(), hr.Max()]
    windows = hr.windows(table, by="key", over=["1h", "24h", "7d"], values={None: [hr.Count()], "value": values})
    feature_set = hr.FeatureSet("streaming", spine=table, at="moment", features=[windows])
    return hr.compile_plan(feature_set, {"events": DTYPES})


def make_file(path: Path, n_events: int) -> None:
    """Write the events, a chunk at a time; keys and times are spread over the whole file."""
    moment = pa.timestamp("us", "UTC")
    schema = pa.schema([("key", pa.int64()), ("moment", moment), ("value", pa.float64()), ("amount", pa.int64())])
    n_keys = max(1, n_events // EVENTS_A_KEY)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for first in range(0, n_events, CHUNK):
            n = min(CHUNK, n_events - first)
            random = np.random.default_rng([17, first])
            at = 1_400_000_000_000_000 + random.integers(0, DAYS * 86_400_000_000, n)
            columns = [
                random.integers(0, n_keys, n),
                pa.array(at, moment),
                np.round(random.lognormal(2, 1, n) * 64) / 64,
                random.integers(0, 1000, n),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def build_limited(folder: Path, limit_mb: int) -> tuple[str, dict[str, Any]]:
    """Build in a child process under the limit; its figures."""
    with memory_limit(limit_mb * 1_000_000) as (words, enter):
        child = [sys.executable, __file__, "--child", str(folder), str(limit_mb)]
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        done = subprocess.run(child, preexec_fn=enter, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the build ended with {done.returncode}: its memory did not suffice, or see above")
    return words, json.loads(done.stdout)


@contextlib.contextmanager
def memory_limit(limit: int) -> Iterator[tuple[str, Any]]:
    """A limit that a child process enters by itself."""
    group = CGROUPS / f"headrace-bench-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit))
    except OSError:
        yield "RLIMIT_DATA", lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        return
    try:
        yield "cgroup", lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        group.rmdir()


def child(folder: Path, limit_mb: int) -> None:
    """What runs under the limit."""
    plan = hr.FeaturePlan.from_json(json.loads((folder / "plan.json").read_text()))
    build(plan, {"events": warm_up_table()}, folder / "warm.npy")
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    started = time.perf_counter()
    # Nine tenths of what there is: the rest is for what no estimate of tables knows of.
    settings = BuildSettings(memory_bytes=int(limit_mb * 900_000), threads=2)
    result = build(plan, {"events": folder / "events.arrow"}, folder / "matrix.npy", settings=settings)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {"build_s": seconds, "peak_gb": peak / 1e9, "floor_gb": floor / 1e9, "pieces": result.pieces},
        )
    )


def warm_up_table() -> pa.Table:
    """A few events, so that loading kernels is not measured."""
    at = pa.array(np.arange(50) * 3_600_000_000, pa.timestamp("us", "UTC"))
    return pa.table({"key": np.arange(50) % 5, "moment": at, "value": np.ones(50), "amount": np.arange(50)})


def check_sample(events: Path, matrix: Path, n_events: int) -> tuple[int, int]:
    """Compare every row of some keys with the computation in memory."""
    n_keys = max(1, n_events // EVENTS_A_KEY)
    keys = np.unique(np.random.default_rng(5).integers(0, n_keys, SAMPLE_KEYS))
    wanted, kept, rows, first = pa.array(keys), [], [], 0
    for batch in ArrowSource(events).batches(DTYPES):
        inside = pc.is_in(batch.column("key"), value_set=wanted)
        rows.append(first + np.flatnonzero(inside.to_numpy()))
        kept.append(batch.filter(inside))
        first += batch.num_rows
    sample, places = pa.concat_tables(kept), np.concatenate(rows)
    expected = hr.compute(make_plan(), {"events": sample}).values
    found = np.load(matrix, mmap_mode="r")
    assert len(found) == n_events, (len(found), n_events)
    assert np.array_equal(np.asarray(found[places]).view(np.uint32), expected.view(np.uint32)), "the bits differ"
    return len(places), len(keys)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
