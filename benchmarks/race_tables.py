"""Several processes write to one table at once: does every commit land, once, in one numbering?

    python benchmarks/race_tables.py --writers 8 --commits 250

Half of the writers append, every fourth commit of the others is an upsert of the writer's own row. With `--foreign`, a
process that knows no lock makes maintenance commits through deltalake meanwhile and wins some of the races: whoever
lost one waits, jittered, and plans its commit again.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.data.commit_log import read_log
from headrace.data.store import TableStore

UPSERT_EVERY = 4


def write(root: Path, writer: int, commits: int) -> None:
    """One writer: every commit has one row of its own, an upsert changes the writer's first one too."""
    store = TableStore(root)
    sys.stdin.readline()
    for number in range(commits):
        row = pa.table({"writer": [writer], "number": [number], "last": [number]})
        transaction = f"{writer}-{number}"
        if writer % 2 and number % UPSERT_EVERY == 1:
            rows = pa.concat_tables([pa.table({"writer": [writer], "number": [0], "last": [number]}), row])
            store.upsert("events", rows, keys=["writer", "number"], transaction=transaction)
        else:
            with store.writing("events", "append", transaction=transaction) as open_write:
                open_write.write(row)
                open_write.commit()


def disturb(root: Path) -> None:
    """A writer that knows no lock: sets a table property, over and over."""
    from deltalake import DeltaTable

    made = 0
    sys.stdin.readline()
    while not (root / "stop").exists():
        try:
            DeltaTable(root / "events").alter.set_table_properties(
                {"delta.logRetentionDuration": "interval 36500 days"}
            )
            made += 1
        except Exception as error:  # noqa: BLE001  # it lost the race, as it should now and then
            sys.stderr.write(f"{error}\n")
        time.sleep(random.uniform(0.0, 0.1))
    print(made)


def race(root: Path, writers: int, commits: int, *, foreign: bool) -> dict[str, Any]:
    """Run the writers to their end; what is in the table then."""
    store = TableStore(root)
    store.write("events", pa.table({"writer": [-1], "number": [-1], "last": [-1]}), transaction="first")

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, "--child", str(root), *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    processes = [start(writer, commits) for writer in range(writers)]
    disturber = start("foreign") if foreign else None
    begin = time.monotonic()
    for process in [*processes, *([disturber] if disturber else [])]:
        assert process.stdin is not None, "a pipe was asked for"
        process.stdin.write("go\n")
        process.stdin.flush()
    codes = [process.wait() for process in processes]
    took_s = time.monotonic() - begin
    (root / "stop").touch()
    disturbed = int(disturber.communicate(timeout=60)[0]) if disturber else 0
    rows = sorted((row["writer"], row["number"], row["last"]) for row in store.read("events").to_pylist())
    last = {n: max((k for k in range(commits) if n % 2 and k % UPSERT_EVERY == 1), default=0) for n in range(writers)}
    wanted = [(-1, -1, -1)]
    wanted += [(n, k, last[n] if k == 0 else k) for n in range(writers) for k in range(commits)]
    log = read_log(root / "events")
    return {
        "writers": writers,
        "commits_each": commits,
        "landed": len(log.commits) - 1,
        "of": writers * commits,
        "foreign_commits": disturbed,
        "rows_right": rows == sorted(wanted),
        "exit_codes": sorted(set(codes)),
        "took_s": round(took_s, 1),
        "commits_per_s": round(writers * commits / took_s, 1),
    }


def main() -> None:
    """Race, print what came of it as JSON, fail where a commit is missing or doubled."""
    if sys.argv[1:2] == ["--child"]:
        root = Path(sys.argv[2])
        if sys.argv[3] == "foreign":
            disturb(root)
        else:
            write(root, int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--commits", type=int, default=250)
    parser.add_argument("--foreign", action="store_true", help="let a writer that knows no lock take part")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = race(Path(folder), arguments.writers, arguments.commits, foreign=arguments.foreign)
    print(json.dumps(found, indent=2))
    if found["landed"] != found["of"] or not found["rows_right"] or found["exit_codes"] != [0]:
        sys.exit(f"{found['landed']} of {found['of']} commits landed")


if __name__ == "__main__":
    main()
