"""Compaction and vacuum change files and never content; what has a name stays."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from headrace.core.errors import AlreadyExistsError, CorruptedError, InvalidInputError, NotFoundError
from headrace.data.store import manifests
from headrace.data.store.references import resolve
from headrace.data.store.tags import tags_file

NOW = timedelta(0)


def ints(*values):
    return pa.table({"x": pa.array(values, pa.int64())})


def append(store, table, transaction, name="t"):
    with store.writing(name, "append", transaction=transaction) as writer:
        writer.write(table)
        return writer.commit()


@pytest.fixture
def grown(store):
    """Five versions of one to five rows, each in a file of its own."""
    for number in range(5):
        append(store, ints(number), str(number))
    return store


def values(store, version=None):
    return store.read("t", version=version).column("x").to_pylist()


def data_files(store):
    return {file.name for file in (store.root / "t").glob("*.parquet")}


class TestCompaction:
    def test_files_join_and_versions_digests_and_order_stay(self, grown):
        before = grown.versions("t")
        done = grown.compact("t")
        assert (done.before, done.after, done.rows) == (5, 1, 5)
        assert grown.versions("t") == before
        assert [values(grown, version) for version in range(5)] == [list(range(n)) for n in range(1, 6)]
        assert append(grown, ints(5), "5").version == 6, "the compaction took a number and made no version"
        with pytest.raises(NotFoundError, match="has no version 5") as caught:
            grown.read("t", version=5)
        assert "changes no content" in caught.value.hint
        assert grown.compact("t").after == 1
        assert grown.compact("t").rows == 0, "there is nothing left to join"

    def test_other_readers_of_delta_see_the_rows_once(self, grown):
        import polars as pl

        grown.compact("t")
        append(grown, ints(5), "5")
        assert sorted(pl.read_delta(str(grown.root / "t"))["x"]) == [0, 1, 2, 3, 4, 5]

    def test_files_are_filled_up_to_the_rows_asked_for(self, grown):
        from headrace.data.store.upkeep import compact

        assert compact(grown.root / "t", rows=2).after == 3
        assert values(grown) == [0, 1, 2, 3, 4]

    def test_a_column_that_came_later_is_written_into_the_old_files(self, grown):
        append(grown, pa.table({"x": [5], "y": ["a"]}), "5")
        grown.compact("t")
        assert grown.read("t").to_pylist()[-2:] == [{"x": 4, "y": None}, {"x": 5, "y": "a"}]
        assert grown.compact("t").rows == 0

    def test_what_was_written_meanwhile_is_not_lost(self, grown, monkeypatch):
        from headrace.data.store import upkeep

        join = upkeep._join

        def and_write(*arguments):
            monkeypatch.setattr(upkeep, "_join", join)
            grown.upsert("t", ints(2), keys=["x"], transaction="same")
            append(grown, ints(7), "7")
            grown.overwrite("t", ints(), where={"x": 0}, transaction="8")
            return join(*arguments)

        monkeypatch.setattr(upkeep, "_join", and_write)
        assert grown.compact("t").rows == 0, "the files that it joined had changed"
        assert values(grown) == [1, 2, 3, 4, 7]
        grown.compact("t")
        assert values(grown) == [1, 2, 3, 4, 7]


class TestVacuum:
    def test_only_versions_that_nothing_needs_go(self, grown):
        grown.tag("t", "frozen", version=1)
        manifest = manifests.pin_snapshot(grown, {"t": 3})
        grown.write("t", ints(9), transaction="w")
        pinned = {grown.find("t", version=2).digest: "package late@1"}
        plan = grown.vacuum("t", keep=NOW, pinned=pinned, is_dry=True)
        done = grown.vacuum("t", keep=NOW, pinned=pinned)
        assert plan == done
        assert done.versions == (0, 4)
        assert done.kept == {
            1: ("tag frozen",),
            2: ("package late@1",),
            3: (f"snapshot {manifest.digest[:8]}",),
            5: ("newest",),
        }
        assert [values(grown, version) for version in (1, 2, 3, 5)] == [[0, 1], [0, 1, 2], [0, 1, 2, 3], [9]]
        for version in (0, 4):
            with pytest.raises(
                NotFoundError, match=f"version {version} of table 't' was vacuumed; kept are: 1, 2, 3, 5"
            ):
                grown.read("t", version=version)
        with pytest.raises(NotFoundError, match="was vacuumed"):
            grown.tag("t", "late", version=0)
        assert [record.is_gone for record in grown.history("t")] == [True, False, False, False, True, False]
        assert grown.vacuum("t", keep=NOW, pinned=pinned).files == ()

    def test_files_of_before_a_compaction_go_and_old_versions_read_from_its_files(self, grown):
        grown.tag("t", "early", version=1)
        grown.compact("t")
        assert len(data_files(grown)) == 6
        done = grown.vacuum("t", keep=NOW)
        assert done.versions == (0, 2, 3)
        assert len(done.files) == 5
        assert len(data_files(grown)) == 1
        assert values(grown, 1) == [0, 1]
        grown.restore("t", version=1, transaction="r")
        assert values(grown) == [0, 1]
        append(grown, ints(8), "8")
        assert values(grown) == [0, 1, 8]
        import polars as pl

        assert sorted(pl.read_delta(str(grown.root / "t"))["x"]) == [0, 1, 8]

    def test_a_version_stays_for_a_while_after_the_next_one(self, grown):
        assert grown.vacuum("t", keep=timedelta(hours=1)).versions == ()
        later = datetime.now(UTC) + timedelta(hours=2)
        assert grown.vacuum("t", keep=timedelta(hours=1), now=later, is_dry=True).versions == (0, 1, 2, 3)

    def test_a_kill_between_the_log_and_the_files_leaves_files_that_the_next_writer_sweeps(self, grown):
        grown.write("t", ints(9), transaction="w")
        script = (
            "import os, sys; from datetime import timedelta; from headrace.data import TableStore;"
            "from headrace.data.store import upkeep;"
            "from headrace.data import commits; done = commits._acknowledged;"
            "commits._acknowledged = lambda *given: os._exit(9);"
            "TableStore(sys.argv[1]).vacuum('t', keep=timedelta(0))"
        )
        run = subprocess.run([sys.executable, "-c", script, str(grown.root)], check=False)
        assert run.returncode == 9
        assert len(data_files(grown)) == 6
        append(grown, ints(10), "after")
        assert len(data_files(grown)) == 2
        assert values(grown) == [9, 10]


class TestRestore:
    def test_old_content_is_the_newest_again_without_copying(self, grown):
        before = data_files(grown)
        made = grown.restore("t", version=1, transaction="r")
        assert (made.version, made.digest) == (5, grown.find("t", version=1).digest)
        assert values(grown) == [0, 1]
        assert data_files(grown) == before
        assert grown.restore("t", version=0, transaction="r") == made, "the transaction was made"
        assert values(grown, 4) == [0, 1, 2, 3, 4]

    def test_columns_come_back_too(self, grown):
        append(grown, pa.table({"x": [0.5], "y": ["a"]}), "wide")
        grown.restore("t", version=4, transaction="r")
        assert grown.read("t").schema == ints().schema
        append(grown, ints(5), "5")
        assert values(grown) == [0, 1, 2, 3, 4, 5]


class TestTags:
    def test_a_tag_stays_where_it_is_unless_it_may_move(self, grown):
        set_tag = grown.tag("t", "frozen", version=1, note="May")
        assert grown.tag("t", "frozen", version=1) == set_tag
        with pytest.raises(AlreadyExistsError, match="has tag 'frozen' at version 1"):
            grown.tag("t", "frozen")
        assert grown.tag("t", "frozen", move=True).version == 4
        grown.untag("t", "frozen")
        assert grown.tags("t") == {}
        with pytest.raises(NotFoundError, match="has no tag 'frozen'"):
            grown.untag("t", "frozen")
        with pytest.raises(InvalidInputError, match="is no tag"):
            grown.tag("t", "a b")

    def test_references_name_versions(self, grown):
        grown.tag("t", "frozen", version=1)
        at = grown.history("t")[2].at.isoformat()
        assert [resolve(grown, f"t{which}").version for which in ("", "@latest", "@3", "@frozen")] == [4, 4, 3, 1]
        assert resolve(grown, f"t@{at}").version >= 2
        with pytest.raises(NotFoundError, match="has no tag 'frosen'") as caught:
            resolve(grown, "t@frosen")
        assert caught.value.hint == "did you mean 'frozen'?"

    def test_tags_are_written_whole_or_not_at_all(self, grown, monkeypatch):
        grown.tag("t", "one")

        def crash(*_):
            raise OSError("the power went")

        monkeypatch.setattr(os, "fsync", crash)
        with pytest.raises(OSError, match="the power went"):
            grown.tag("t", "two")
        monkeypatch.undo()
        assert list(grown.tags("t")) == ["one"]
        tags_file(grown.root / "t").write_text('{"tags": ')
        with pytest.raises(CorruptedError, match="tags of table 't' cannot be read"):
            grown.vacuum("t", keep=NOW)


class TestManifests:
    def test_tables_code_and_settings_have_one_digest(self, grown):
        grown.write("u", ints(1), transaction="1", lineage={"source": "u.csv"})
        made = manifests.pin_snapshot(grown, {"t": 2, "u": None}, code="c0ffee", settings="5e77")
        assert manifests.pin_snapshot(grown, {"u": None, "t": 2}, code="c0ffee", settings="5e77") == made
        assert manifests.find_manifest(grown.root, made.digest[:6]) == made
        assert made.lineage == {"t": None, "u": {"source": "u.csv"}}
        others = [
            manifests.pin_snapshot(grown, {"t": 3, "u": None}, code="c0ffee", settings="5e77"),
            manifests.pin_snapshot(grown, {"t": 2, "u": None}, code="c0ffef", settings="5e77"),
            manifests.pin_snapshot(grown, {"t": 2, "u": None}, code="c0ffee", settings=None),
        ]
        assert len({made.digest, *(other.digest for other in others)}) == 4
        assert manifests.verify_manifest(grown, made) == 4
        with pytest.raises(NotFoundError, match="there is no snapshot 'zz'"):
            manifests.find_manifest(grown.root, "zz")

    def test_an_altered_manifest_and_an_altered_table_are_found(self, grown):
        made = manifests.pin_snapshot(grown, {"t": 2})
        file = manifests.manifest_file(grown.root, made.digest)
        told = json.loads(file.read_text())
        file.write_text(json.dumps(told | {"code": "other"}))
        with pytest.raises(CorruptedError, match="was altered"):
            manifests.read_manifest(file)
        with pytest.raises(CorruptedError, match="was altered"):
            grown.vacuum("t", keep=NOW)
        file.write_text(json.dumps(told | {"format": 9}))
        with pytest.raises(CorruptedError, match="has format 9"):
            manifests.read_manifest(file)
        file.write_text(json.dumps(told))
        for name in data_files(grown):
            (grown.root / "t" / name).write_bytes(b"PAR1")
        with pytest.raises(CorruptedError):
            manifests.verify_manifest(grown, made)
