"""Kill writers of a table at random moments, over and over: is every acknowledged row there, once, and the table whole?

    python benchmarks/kill_tables.py --kills 300

A round starts writers (appending batches, ingesting them from CSV files, upserting, or compacting and vacuuming beside
one that appends), kills them with SIGKILL within a second and reads the table against its digests. A batch that was
acknowledged must be there once; the one in flight may be there once or not at all, and is written again under its
transaction id by the next writer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from headrace.core.errors import HeadraceError
from headrace.data import CsvSource, Load, ingest
from headrace.data.store import TableStore

BATCH_ROWS = 500
UPSERTED = 1_000_000
"""Batches of upserts count from here: number n changes an earlier batch and brings the rows of batch UPSERTED + n."""

KINDS = ("append", "ingest", "upsert", "compact")
COLUMNS = {"batch": "int64", "row": "int64", "value": "int64"}
ROUNDS_A_TABLE = 20


def batch(number: int, value: int) -> pa.Table:
    """Rows of a batch, as they are while `value` was written last."""
    rows = np.arange(BATCH_ROWS)
    return pa.table({"batch": np.full(BATCH_ROWS, number), "row": rows, "value": np.full(BATCH_ROWS, value)})


def target(number: int, appended: int) -> int:
    """The appended batch that an upsert changes."""
    return random.Random(number).randrange(appended)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def write(kind: str, root: Path, first: int, appended: int) -> None:
    """The killed process: works until it is killed, and says what it was told is done."""
    store = TableStore(root)
    _warm_up()
    say("ready")
    for number in itertools.count(first):
        if kind == "append":
            with store.writing("events", "append", transaction=f"append-{number}") as writer:
                for at in range(0, BATCH_ROWS, 100):
                    writer.write(batch(number, -1).slice(at, 100))
                writer.commit()
        elif kind == "ingest":
            ingest_batch(store, "events", number)
        elif kind == "upsert":
            rows = pa.concat_tables([batch(target(number, appended), number), batch(UPSERTED + number, number)])
            store.upsert("events", rows, keys=["batch", "row"], transaction=f"upsert-{number}")
        else:
            joined = store.compact("events").rows
            removed = store.vacuum("events", keep=timedelta(0)).files
            if not joined and not removed:
                time.sleep(0.002)  # the writer beside it has not made anything to join
                continue
        say("done", number)


def ingest_batch(store: TableStore, table: str, number: int) -> None:
    """The batch as a CSV file, and from there into the table; known by the same transaction as an append."""
    file = store.root / f"batch-{number}.csv"
    csv.write_csv(batch(number, -1), file)
    ingest(CsvSource(file, COLUMNS), store, table, load=Load("append", transaction=f"append-{number}"))
    file.unlink()


def _warm_up() -> None:
    """Load every library: a kill should meet the work."""
    with tempfile.TemporaryDirectory() as scratch:
        store = TableStore(Path(scratch))
        store.write("t", batch(0, 0), transaction="0")
        store.upsert("t", batch(0, 1), keys=["batch", "row"], transaction="1")
        store.read("t")
        ingest_batch(store, "t", 1)


@dataclass
class Account:
    """What was acknowledged on one table.

    Attributes:
        appended: batches that were acknowledged, the table's first one among them; one more may be there.
        upserted: upserts that were acknowledged; one more may be there.
        known: for each upsert that was started, the batches that its writer knew of.
        landed: upserts that were found in the table.
    """

    appended: int = 1
    upserted: int = 0
    known: dict[int, int] = field(default_factory=dict)
    landed: set[int] = field(default_factory=set)


class Campaign:
    """Rounds of killing on tables in one folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.acknowledged: Counter[str] = Counter()
        self.unseen: set[tuple[str, str, int]] = set()
        self.rows_read = 0
        self.problems: list[str] = []

    def run(self, kills: int) -> None:
        """Kill so many writers."""
        account, root = Account(), self._folder
        for number in itertools.count():
            if sum(self.kills.values()) >= kills:
                return
            if number % ROUNDS_A_TABLE == 0:
                account, root = Account(), self._folder / str(number)
                TableStore(root).write("events", batch(0, -1), transaction="first")
            kind = KINDS[number % len(KINDS)]
            try:
                self._round(kind, root, account)
                self._check(root, account)
            except HeadraceError as error:
                self.problems.append(f"round {number}, {kind}: {error.message}")

    def _round(self, kind: str, root: Path, account: Account) -> None:
        started = [self._start(kind, root, account)]
        if kind == "compact":
            started.append(self._start("append", root, account))
        for process, what in sorted(started, key=lambda _: self._random.random()):
            time.sleep(self._random.uniform(0.0, 0.6))
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate(timeout=60)
            if process.returncode != -signal.SIGKILL:
                self.problems.append(f"{what}: ended by itself: {err.strip().splitlines()[-1:]}")
            done = out.count("done")
            self.kills[what] += 1
            self.acknowledged[what] += done
            if what in {"append", "ingest"}:
                account.appended += done
            elif what == "upsert":
                begun = range(account.upserted, account.upserted + done + 1)
                account.known |= {n: account.appended for n in begun if n not in account.landed}
                account.upserted += done

    def _start(self, kind: str, root: Path, account: Account) -> tuple[subprocess.Popen[str], str]:
        first = {"append": account.appended, "ingest": account.appended, "upsert": account.upserted, "compact": 0}[kind]
        command = [sys.executable, __file__, "--child", kind, str(root), str(first), str(account.appended)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None, "a pipe was asked for"
        if process.stdout.readline() != "ready\n":
            sys.exit(f"a writer did not start: {process.communicate()[1]}")
        return process, kind

    def _check(self, root: Path, account: Account) -> None:
        """Read everything against its digests, and count."""
        table = TableStore(root).read("events")
        self.rows_read += table.num_rows
        batches, rows, values = (table.column(name).to_numpy() for name in ("batch", "row", "value"))
        if len(np.unique(batches * BATCH_ROWS + rows)) != len(rows):
            self.problems.append(f"{root.name}: rows are there twice")
        found = Counter(batches.tolist())
        if set(found.values()) - {BATCH_ROWS}:
            self.problems.append(f"{root.name}: a batch is there in part")
        self._check_numbers(root, "append", {n for n in found if n < UPSERTED}, account.appended)
        upserts = {n - UPSERTED for n in found if n >= UPSERTED}
        self._check_numbers(root, "upsert", upserts, account.upserted)
        account.landed |= upserts
        expected = {n: -1 for n in found if n < UPSERTED} | {UPSERTED + n: n for n in upserts}
        for number in sorted(upserts):
            expected[target(number, account.known[number])] = number
        wanted = np.array([expected[n] for n in batches.tolist()])
        if not np.array_equal(values, wanted):
            self.problems.append(
                f"{root.name}: {int((values != wanted).sum())} rows hold another value than was written"
            )

    def _check_numbers(self, root: Path, what: str, found: set[int], acknowledged: int) -> None:
        lost = set(range(acknowledged)) - found
        invented = found - set(range(acknowledged + 1))
        if lost or invented:
            self.problems.append(f"{root.name}: {what}: lost {sorted(lost)[:5]}, never written {sorted(invented)[:5]}")
        if acknowledged in found:
            self.unseen.add((root.name, what, acknowledged))


def main() -> None:
    """Kill, print what came of it as JSON, fail where a row was lost or doubled."""
    if sys.argv[1:2] == ["--child"]:
        kind, root, first, appended = sys.argv[2:]
        write(kind, Path(root), int(first), int(appended))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), arguments.seed)
        campaign.run(arguments.kills)
    found: dict[str, Any] = {
        "kills": sum(campaign.kills.values()),
        "killed": dict(campaign.kills),
        "acknowledged": dict(campaign.acknowledged),
        "there_before_acknowledged": dict(Counter(what for _, what, _ in campaign.unseen)),
        "rows_read_and_checked": campaign.rows_read,
        "problems": campaign.problems,
        "took_s": round(time.monotonic() - begin, 1),
    }
    print(json.dumps(found, indent=2))
    if campaign.problems:
        sys.exit(f"{len(campaign.problems)} problems")


if __name__ == "__main__":
    main()
