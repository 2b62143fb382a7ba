"""Quarantined records are read again after a fix: taken in once, wherever the replay is interrupted."""

import pytest

from headrace.core.errors import DefinitionError, NotFoundError
from headrace.data import CsvSource, Deduplicate, Load, Preparation, Typed, ingest, replay_quarantine
from headrace.data.store import TableStore

COLUMNS = {"id": "int64", "v": "int64"}
TEXT = "id,v\n1,10\n2,n/a\n3,30\n4,4x\n5,50\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(TEXT)
    return path


def rows(store, name="t"):
    return [tuple(row.values()) for row in store.read(name).to_pylist()]


def waiting(store):
    table = store.read("t_quarantine")
    return list(zip(table.column("line_number").to_pylist(), table.column("raw_line").to_pylist(), strict=True))


def test_a_fixed_declaration_takes_records_in_and_leaves_the_others(store, file):
    ingest(CsvSource(file, COLUMNS), store, "t", load=Load("append"))
    assert waiting(store) == [(3, "2,n/a"), (5, "4,4x")]
    fixed = CsvSource(file, COLUMNS, null_values=("", "n/a"))
    done = replay_quarantine(fixed, store, "t")
    assert (done.rows_passed, done.rows_failing, done.rows_missing) == (1, 1, 0)
    assert rows(store) == [(1, 10), (3, 30), (5, 50), (2, None)]
    assert waiting(store) == [(5, "4,4x")]
    again = replay_quarantine(fixed, store, "t")
    assert (again.rows_passed, again.rows_failing) == (0, 1)
    assert again.version.version == done.version.version


def test_a_fixed_file_takes_records_in_by_key(store, file):
    load = Load("upsert", ["id"])
    ingest(CsvSource(file, COLUMNS), store, "t", load=load)
    file.write_text(TEXT.replace("n/a", "20").replace("4x", "40"))
    done = replay_quarantine(CsvSource(file, COLUMNS), store, "t", load=load)
    assert (done.rows_passed, done.rows_failing) == (2, 0)
    assert sorted(rows(store)) == [(n, 10 * n) for n in range(1, 6)]
    assert waiting(store) == []


def test_records_that_the_source_no_longer_has_stay(store, file):
    ingest(CsvSource(file, COLUMNS), store, "t", load=Load("append"))
    file.write_text("id,v\n1,10\n2,20\n")
    done = replay_quarantine(CsvSource(file, COLUMNS), store, "t")
    assert (done.rows_passed, done.rows_failing, done.rows_missing) == (1, 1, 1)
    assert waiting(store) == [(5, "4,4x")]


def test_records_set_aside_by_a_preparation_are_replayed(store, file):
    columns = {"id": "int64", "v": "string"}
    ingest(CsvSource(file, columns, prepare=Preparation(values={"v": Typed("int64")})), store, "t", load=Load("append"))
    file.write_text(TEXT.replace("n/a", "20"))
    done = replay_quarantine(CsvSource(file, columns, prepare=Preparation(values={"v": Typed("int64")})), store, "t")
    assert (done.rows_passed, done.rows_failing) == (1, 1)
    assert rows(store)[-1] == (2, 20)


def test_killed_behind_the_table_a_replay_doubles_nothing(store, file, monkeypatch):
    ingest(CsvSource(file, COLUMNS), store, "t", load=Load("append"))
    fixed = CsvSource(file, COLUMNS, null_values=("", "n/a"))

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TableStore, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            replay_quarantine(fixed, store, "t")
    assert len(rows(store)) == 4
    assert len(waiting(store)) == 2
    assert replay_quarantine(fixed, store, "t").rows_passed == 1
    assert rows(store) == [(1, 10), (3, 30), (5, 50), (2, None)]
    assert waiting(store) == [(5, "4,4x")]


def test_what_cannot_be_replayed_is_refused_with_a_reason(store, file):
    with pytest.raises(NotFoundError, match="no record of table 't' was set aside"):
        replay_quarantine(CsvSource(file, COLUMNS), store, "t")
    ingest(CsvSource(file, COLUMNS), store, "t", load=Load("append"))
    with pytest.raises(DefinitionError, match="mode 'replace'"):
        replay_quarantine(CsvSource(file, COLUMNS), store, "t", load=Load())
    keyed = CsvSource(file, COLUMNS, prepare=Preparation(deduplicate=Deduplicate(["id"])))
    with pytest.raises(DefinitionError, match="mode 'append'"):
        replay_quarantine(keyed, store, "t")
    shrinking = CsvSource(file, COLUMNS, prepare=lambda frame: frame.head(1))
    with pytest.raises(DefinitionError, match="changes the number of rows"):
        replay_quarantine(shrinking, store, "t")
