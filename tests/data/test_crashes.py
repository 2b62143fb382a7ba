"""Whenever a writer dies, is interrupted, or meets others, readers see the old version or the new one, whole."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.core.interrupts import interrupt_held
from headrace.data import TableStore, digest_table
from headrace.data.commit_log import read_log

pytestmark = pytest.mark.slow
STORE_WRITER = Path(__file__).with_name("store_writer.py")
INGEST_WRITER = Path(__file__).with_name("ingest_writer.py")
ROWS = 100_000


def start(script, *arguments):
    process = subprocess.Popen(
        [sys.executable, script, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def stop(process, number, *, after_s):
    time.sleep(after_s)
    process.send_signal(number)
    try:
        return process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def assert_whole(store, name="events"):
    """Numbers have no gap, every version reads back to its digest."""
    versions = store.versions(name)
    assert [item.version for item in versions] == list(range(len(versions)))
    for item in versions:
        assert digest_table(store.read(name, version=item.version)).value == item.digest
    return versions


def assert_clean(store, name="events"):
    """After the next write nothing lies in the folder that no version names."""
    store.write(name, pa.table({"x": [1]}), transaction=f"sweep-{random.random()}")
    log = read_log(store.root / name)
    commits = log.commits
    named = {file for commit in commits for file in log.files(commit)}
    assert {file.name for file in (store.root / name).iterdir()} == named | {"_delta_log"}
    entries = [file.name for file in (store.root / name / "_delta_log").iterdir() if file.suffix == ".json"]
    assert len(entries) == len(commits)
    assert not (store.root / ".staging").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_a_writer_stopped_at_any_moment_loses_nothing_it_was_told_is_written(tmp_path, number):
    store = TableStore(tmp_path)
    moments = random.Random(7)
    told = 0
    for tag in range(10):
        process = start(STORE_WRITER, tmp_path, tag, 10_000, ROWS)
        # later and later: on a machine that is slow just now, some writer gets to finish a table as well
        out, err = stop(process, number, after_s=moments.uniform(0.0, 0.2 * (tag + 1)))
        assert process.returncode == -number, err
        if number == signal.SIGINT:
            assert err.strip().splitlines()[-1] == "KeyboardInterrupt"
        told += len(out.split())
        if store.names():
            versions = assert_whole(store)
            assert told <= len(versions) <= told + tag + 1, "at most one version a writer was done but not yet told"
    assert told > 0
    assert_clean(store)


def test_a_writer_killed_while_it_opens_its_folder_is_swept_with_the_next_write(tmp_path):
    store = TableStore(tmp_path)
    store.write("events", pa.table({"x": [0]}), transaction="first")
    (tmp_path / ".staging" / f"events-{'0' * 32}").mkdir(parents=True)  # made, and dead before it was locked
    assert_clean(store)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_an_ingest_stopped_at_any_moment_shows_one_file_or_the_other_whole(tmp_path, number):
    contents = {}
    for shift in (0, 1):
        path = tmp_path / f"{shift}.csv"
        rows = [f"{at + shift},text {at}" for at in range(ROWS)]
        path.write_text("number,text\n" + "\n".join([*rows, f"bad {shift},x"]) + "\n")
        contents[shift] = np.arange(ROWS) + shift
    store = TableStore(tmp_path / "tables")
    moments = random.Random(11)
    for _ in range(8):
        process = start(INGEST_WRITER, store.root, tmp_path / "0.csv", tmp_path / "1.csv")
        _, err = stop(process, number, after_s=moments.uniform(0.0, 1.2))
        assert process.returncode == -number, err
        for version in assert_whole(store) if "events" in store.names() else ():
            found = store.read("events", version=version.version)
            shift = int(found.column("number")[0].as_py())
            assert np.array_equal(found.column("number").to_numpy(), contents[shift])
            assert "events_quarantine" in store.names(), "what was left out is there before the table"
    assert store.names() == ["events", "events_quarantine"]
    for version in assert_whole(store, "events_quarantine"):
        found = store.read("events_quarantine", version=version.version).to_pylist()
        assert [(row["line_number"], row["raw_line"][:3]) for row in found] == [(ROWS + 2, "bad")]


def test_writers_that_run_at_once_share_one_numbering(tmp_path):
    writers = [start(STORE_WRITER, tmp_path, tag, 8, 1_000) for tag in "abcd"]
    told = []
    for writer in writers:
        out, err = writer.communicate(timeout=120)
        assert writer.returncode == 0, err
        told += map(int, out.split())
    store = TableStore(tmp_path)
    assert sorted(told) == list(range(32))
    assert len(assert_whole(store)) == 32
    assert_clean(store)


def test_writers_with_the_same_transactions_write_each_once(tmp_path):
    writers = [start(STORE_WRITER, tmp_path, "same", 8, 1_000) for _ in range(4)]
    told = []
    for writer in writers:
        out, err = writer.communicate(timeout=120)
        assert writer.returncode == 0, err
        told.append(out.split())
    assert len(assert_whole(TableStore(tmp_path))) == 8
    assert all(numbers == told[0] for numbers in told), "every writer is told the same versions"


def test_a_reader_beside_a_writer_sees_whole_versions_only(tmp_path):
    writer = start(STORE_WRITER, tmp_path, "w", 15, ROWS)
    store = TableStore(tmp_path)
    seen = []
    while writer.poll() is None:
        if store.names():
            seen.append(store.read("events"))
    assert writer.communicate()[1] == ""
    numbers = [table.column("number")[0].as_py() for table in seen]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 1
    assert all(table.num_rows == ROWS for table in seen)


def test_what_a_killed_writer_left_is_swept_by_the_next(tmp_path):
    store = TableStore(tmp_path)
    store.write("t", pa.table({"x": [1]}), transaction="1")
    table, log = tmp_path / "t", tmp_path / "t" / "_delta_log"
    for left in (table / "part-0-x.snappy.parquet", table / "part-0-y.snappy.parquet#1", log / "_commit_x.json.tmp"):
        left.write_bytes(b"PAR1")
    assert store.read("t").num_rows == 1
    assert len(store.versions("t")) == 1
    assert_clean(store, "t")


def test_a_folder_with_an_unfinished_first_version_is_no_table_yet(tmp_path):
    log = tmp_path / "events" / "_delta_log"
    log.mkdir(parents=True)
    (log / "_commit_x.json.tmp").write_text("{")
    store = TableStore(tmp_path)
    assert store.names() == []
    assert store.write("events", pa.table({"x": [1]}), transaction="1").version == 0
    assert_clean(store)


def test_a_ctrl_c_within_a_held_block_is_delivered_once_behind_it():
    done = False
    with pytest.raises(KeyboardInterrupt), interrupt_held():  # noqa: PT012  # that the block ends is the point
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done = True
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_held_blocks_nest_and_let_errors_through():
    with pytest.raises(ValueError, match="inner"), interrupt_held(), interrupt_held():
        raise ValueError("inner")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
