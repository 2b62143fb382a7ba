"""`headrace data`: what it prints for people and for scripts, how it fails, with what code."""

import json

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.core.errors import HeadraceError
from headrace.data import TableStore

COMMANDS = ["log", "show", "diff", "tag", "restore", "compact", "vacuum", "snapshot"]


@pytest.fixture
def home(tmp_path):
    store = TableStore(tmp_path / "tables")
    store.write(
        "flights", pa.table({"id": [1, 2], "carrier": ["AA", "UA"]}), transaction="1", lineage={"file": "a.csv"}
    )
    rows = pa.table({"id": [2, 3], "carrier": ["DL", "DL"]})
    store.upsert("flights", rows, keys=["id"], transaction="2")
    store.write("planes", pa.table({"tailnum": ["N1"]}), transaction="1")
    return tmp_path


def run(home, *arguments):
    """Output of a command, or the error that it ends with."""
    done = CliRunner().invoke(app, ["data", *arguments, "--home", str(home)], env={"COLUMNS": "200"})
    if isinstance(done.exception, HeadraceError):
        raise done.exception
    assert done.exit_code in (0, 6), done.output
    return done


def answer(home, *arguments):
    return json.loads(run(home, *arguments, "--json").output)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command):
    shown = CliRunner().invoke(app, ["data", command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for word in ("--json", "--home", f"headrace data {command}"):
        assert word in shown.output


def test_log_lists_tables_and_versions(home):
    assert [(one["name"], one["version"]) for one in answer(home, "log")] == [("flights", 1), ("planes", 0)]
    newest, first = answer(home, "log", "flights")
    assert (newest["operation"], newest["details"], first["lineage"]) == ("upsert", {"keys": ["id"]}, {"file": "a.csv"})
    shown = run(home, "log", "flights").output
    assert "upsert by id" in shown
    assert "planes" in run(home, "log").output


def test_show_tells_columns_and_first_rows(home):
    told = answer(home, "show", "flights@0", "--rows", "1")
    assert told["columns"] == {"id": "int64", "carrier": "string"}
    assert told["first_rows"] == [{"id": 1, "carrier": "AA"}]
    assert "flights@1  3 rows · 2 columns" in run(home, "show", "flights").output
    assert "file a.csv" in run(home, "show", "flights@0").output


def test_diff_compares_and_may_fail_a_check(home):
    told = answer(home, "diff", "flights", "--key", "id")
    assert (told["rows"]["added"], told["rows"]["changed"], told["rows"]["removed"]) == (1, 1, 0)
    assert {move["name"] for move in told["moves"]} == {"id", "carrier"}
    shown = run(home, "diff", "flights@0", "flights@1", "--key", "id").output
    assert "1 added, 0 removed, 1 changed" in shown
    assert "carrier in 1 rows" in shown
    assert run(home, "diff", "flights@0", "--check").exit_code == 6
    assert run(home, "diff", "flights@1", "flights@1", "--check").exit_code == 0
    with pytest.raises(HeadraceError, match="has one version"):
        run(home, "diff", "planes")


def test_tags_name_versions_for_the_other_commands(home):
    assert "has no tags" in run(home, "tag", "flights").output
    run(home, "tag", "flights@0", "frozen", "--note", "May")
    assert answer(home, "tag", "flights")["frozen"]["version"] == 0
    assert answer(home, "show", "flights@frozen")["tags"] == ["frozen"]
    with pytest.raises(HeadraceError, match="has tag 'frozen' at version 0"):
        run(home, "tag", "flights", "frozen")
    assert answer(home, "tag", "flights", "frozen", "--move")["frozen"]["version"] == 1
    assert answer(home, "tag", "flights", "frozen", "--delete") == {}


def test_restore_makes_a_version_once(home):
    assert answer(home, "restore", "flights@0")["version"]["version"] == 2
    again = answer(home, "restore", "flights@0")
    assert (again["version"]["version"], again["is_new"]) == (2, False)
    assert "has that content already" in run(home, "restore", "flights@0").output


def test_compact_and_vacuum_say_what_they_did(home):
    assert set(answer(home, "compact")) == {"flights", "planes"}
    planned = answer(home, "vacuum", "flights", "--keep-days", "0", "--dry-run")
    done = answer(home, "vacuum", "flights", "--keep-days", "0")
    assert planned["flights"]["versions"] == done["flights"]["versions"] == [0]
    assert done["flights"]["kept"] == {"1": ["newest"]}
    assert "vacuumed" in run(home, "log", "flights").output
    assert "versions gone" in run(home, "vacuum").output
    with pytest.raises(HeadraceError, match="was vacuumed"):
        run(home, "show", "flights@0")


def test_a_snapshot_pins_and_is_verified(home, tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    made = answer(
        home, "snapshot", "flights@0", "planes", "--settings", str(tmp_path / "settings.json"), "--code", "c0"
    )
    assert (made["tables"]["flights"]["version"], made["code"]) == (0, "c0")
    assert answer(home, "vacuum", "flights", "--keep-days", "0")["flights"]["versions"] == []
    assert answer(home, "snapshot", "--verify", made["digest"][:8])["verified_rows"] == 3
    assert [one["digest"] for one in answer(home, "snapshot", "--list")] == [made["digest"]]
    assert "verified: 3 rows" in run(home, "snapshot", "--verify", made["digest"]).output
    assert made["digest"][:8] in run(home, "snapshot", "--list").output


def test_what_a_package_was_trained_on_stays(home, monkeypatch):
    digest = TableStore(home / "tables").find("flights", version=0).digest
    monkeypatch.setattr("headrace.pipeline.pinned.pinned_digests", lambda _: {digest: "package late@1"})
    told = answer(home, "vacuum", "flights", "--keep-days", "0")["flights"]
    assert told["kept"]["0"] == ["package late@1"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", "fligths"], 3, "there is no table 'fligths'"),
        (["show", "flights@9"], 3, "has no version 9"),
        (["show", "flights@frozen"], 3, "has no tag 'frozen'"),
        (["diff", "flights@0", "--key", "nothing"], 2, "key 'nothing' is no column"),
        (["snapshot", "--verify", "00"], 3, "there is no snapshot '00'"),
        (["snapshot", "--settings", "nothing.json"], 3, "there is no file nothing.json"),
    ],
)
def test_errors_name_the_thing_and_have_a_code(home, arguments, code, says):
    with pytest.raises(HeadraceError, match=says) as caught:
        run(home, *arguments)
    assert caught.value.exit_code == code


def test_a_home_without_tables_says_so(tmp_path):
    with pytest.raises(HeadraceError, match="there are no tables"):
        run(tmp_path, "log")
