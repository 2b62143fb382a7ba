"""The registry numbers packages, names versions by alias, and remembers who moved which alias when and why."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from headrace.core.clock import ManualClock
from headrace.core.database import open_database
from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError
from headrace.packaging import AliasMove, Registry
from headrace.packaging.collection import Keeper
from headrace.packaging.package import MODEL_FILE, REQUIRED_FILES
from headrace.packaging.registry_schema import ALIAS_MOVES, RETENTION, VERSIONS

AT = datetime(2013, 12, 1, 12, tzinfo=UTC)


def move(registry, version, alias="champion", name="late", at=AT):
    with registry.engine.begin() as tx:
        return registry.set_alias(tx, AliasMove(name, alias, version, actor="ann", reason="better", at=at))


def test_versions_count_from_one_in_order_of_registration(registry, make_package):
    first = registry.register("late", make_package(b"1").path)
    second = registry.register("late", make_package(b"2").path)
    assert (first.version, second.version) == (1, 2)
    assert registry.versions("late") == (first, second)
    assert registry.get("late", 2) == second
    assert str(second) == "late@2"


def test_the_same_package_again_is_the_same_version(registry, make_package):
    first = registry.register("late", make_package(b"1").path)
    registry.register("late", make_package(b"2").path)
    assert registry.register("late", make_package(b"1").path) == first
    assert len(registry.versions("late")) == 2


def test_each_model_has_its_own_numbers(registry, make_package):
    registry.register("late", make_package(b"1").path)
    assert registry.register("early", make_package(b"1", "early").path).version == 1
    assert registry.names() == ("early", "late")


def test_the_stored_package_survives_its_source(registry, make_package):
    package = make_package(b"1")
    version = registry.register("late", package.path)
    shutil.rmtree(package.path)
    assert registry.load("late@1").model == b"1"
    assert version.path.name == version.digest


def test_creation_time_comes_from_the_clock(registry, tmp_path, make_package):
    registry = Registry(registry.engine, tmp_path, clock=ManualClock(start=AT))
    assert registry.register("late", make_package().path).created_at == AT
    assert registry.get("late", 1).created_at == AT


def test_references_resolve_to_versions(registry, make_package):
    versions = [registry.register("late", make_package(bytes([n])).path) for n in range(3)]
    move(registry, 2)
    move(registry, 3, "challenger")
    assert registry.resolve("late") == versions[1]
    assert registry.resolve("late@champion") == versions[1]
    assert registry.resolve("late@challenger") == versions[2]
    assert registry.resolve("late@1") == versions[0]
    assert registry.aliases("late") == {"challenger": 3, "champion": 2}


def test_unknown_names_are_refused_with_what_is_known(registry, make_package):
    with pytest.raises(NotFoundError, match="registered: none yet"):
        registry.resolve("late@1")
    registry.register("late", make_package(b"1").path)
    with pytest.raises(NotFoundError, match="no model 'lat' is registered; registered: late") as caught:
        registry.resolve("lat")
    assert caught.value.hint == "did you mean 'late'?"
    with pytest.raises(NotFoundError, match="has no version 7; it has 1 to 1"):
        registry.resolve("late@7")
    with pytest.raises(NotFoundError, match="no alias 'champion'; its aliases: none"):
        registry.resolve("late")
    move(registry, 1)
    with pytest.raises(NotFoundError, match=r"its aliases: champion \(1\)") as caught:
        registry.resolve("late@champoin")
    assert caught.value.hint == "did you mean 'champion'?"


def test_a_package_is_registered_under_its_own_name_only(registry, make_package):
    with pytest.raises(InvalidInputError, match="holds model 'late', not 'early'"):
        registry.register("early", make_package().path)
    with pytest.raises(InvalidInputError, match="model name 'Late!'"):
        registry.register("Late!", make_package().path)


def test_an_altered_package_is_not_registered_and_leaves_no_trace(registry, make_package, tmp_path):
    package = make_package()
    (package.path / MODEL_FILE).write_bytes(b"altered")
    with pytest.raises(CorruptedError, match=MODEL_FILE):
        registry.register("late", package.path)
    assert registry.names() == ()
    assert not (tmp_path / "home" / "packages" / package.digest).exists()


@pytest.mark.parametrize("file", REQUIRED_FILES)
def test_a_stored_package_that_was_altered_is_refused_and_repaired_by_registering_again(registry, make_package, file):
    package = make_package()
    version = registry.register("late", package.path)
    move(registry, 1)
    (version.path / file).write_bytes(b"altered")
    with pytest.raises(CorruptedError, match=f"late@champion: package {version.digest[:8]} was altered: {file}"):
        registry.load("late@champion")
    assert registry.register("late", package.path) == version
    assert registry.load("late@champion").files == package.files


def test_a_forged_stored_package_is_refused(registry, make_package):
    version = registry.register("late", make_package(b"1").path)
    shutil.rmtree(version.path)
    shutil.copytree(make_package(b"forged").path, version.path)
    with pytest.raises(CorruptedError, match="late@1"):
        registry.load("late@1")


def test_a_package_gone_from_the_store_is_named(registry, make_package):
    shutil.rmtree(registry.register("late", make_package(b"1").path).path)
    with pytest.raises(NotFoundError, match="late@1: "):
        registry.load("late@1")


def test_history_tells_who_moved_which_alias_when_and_why(registry, make_package):
    for n in range(2):
        registry.register("late", make_package(bytes([n])).path)
    moved = [move(registry, 1), move(registry, 2, at=AT + timedelta(hours=1)), move(registry, 2, "challenger")]
    assert registry.history("late") == tuple(moved)
    assert [(record.version, record.previous_version, record.actor, record.reason, record.at) for record in moved] == [
        (1, None, "ann", "better", AT),
        (2, 1, "ann", "better", AT + timedelta(hours=1)),
        (2, None, "ann", "better", AT),
    ]


def test_history_survives_a_restart(database, tmp_path, make_package):
    registry = Registry(open_database(database), tmp_path)
    registry.register("late", make_package().path)
    moved = move(registry, 1)
    registry.engine.dispose()
    again = Registry(open_database(database), tmp_path)
    assert again.history("late") == (moved,)
    assert again.resolve("late").version == 1
    again.engine.dispose()


def test_previous_is_where_the_alias_was_before_its_last_move(registry, make_package):
    for n in range(2):
        registry.register("late", make_package(bytes([n])).path)
    assert registry.previous("late", "champion") is None
    move(registry, 1)
    assert registry.previous("late", "champion") is None
    move(registry, 2)
    assert registry.previous("late", "champion") == registry.get("late", 1)


def test_an_alias_can_be_taken_away(registry, make_package):
    registry.register("late", make_package().path)
    move(registry, 1, "challenger")
    move(registry, None, "challenger")
    assert registry.aliases("late") == {}
    assert len(registry.history("late")) == 2


def test_a_move_that_is_rolled_back_never_happened(registry, make_package):
    registry.register("late", make_package().path)
    wish = AliasMove("late", "champion", 1, "ann", "better", AT)
    with pytest.raises(RuntimeError), registry.engine.begin() as tx:  # noqa: PT012 - the block is the transaction
        registry.set_alias(tx, wish)
        raise RuntimeError
    assert registry.history("late") == ()


@pytest.mark.parametrize(("name", "version"), [("late", 2), ("late", 0), ("early", 1)])
def test_an_alias_points_to_registered_versions_only(registry, make_package, name, version):
    registry.register("late", make_package().path)
    with pytest.raises(NotFoundError, match=f"{name}@{version}: no such version"):
        move(registry, version, name=name)


@pytest.mark.parametrize("alias", ["", "2", "Champion", "a b", "@"])
def test_an_alias_is_a_word(registry, make_package, alias):
    registry.register("late", make_package().path)
    with pytest.raises(InvalidInputError, match="alias"):
        move(registry, 1, alias)


@pytest.mark.parametrize("table", [VERSIONS, ALIAS_MOVES, RETENTION], ids=lambda table: table.name)
def test_nothing_is_ever_changed_or_deleted(registry, make_package, table):
    registry.register("late", make_package().path)
    move(registry, 1)
    Keeper(registry, "ann").pin("late@1", reason="audit")
    for statement in (sa.update(table).values(name="other"), sa.delete(table)):
        with pytest.raises(sa.exc.IntegrityError, match="append-only"), registry.engine.begin() as tx:
            tx.execute(statement)


@pytest.mark.parametrize("version", [1, 2])
def test_a_row_cannot_be_replaced_by_its_number_or_by_its_digest(registry, make_package, version):
    registered = registry.register("late", make_package().path)
    forged = {"name": "late", "version": version, "digest": registered.digest, "created_at": "1970-01-01T00:00:00"}
    insert = sa.insert(VERSIONS).prefix_with("OR REPLACE").values(forged)
    if registry.engine.dialect.name == "postgresql":
        key = ["name", "version"] if version == 1 else ["name", "digest"]
        insert = postgresql.insert(VERSIONS).values(forged).on_conflict_do_update(index_elements=key, set_=forged)
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), registry.engine.begin() as tx:
        tx.execute(insert)
    assert registry.versions("late") == (registered,)


@given(moves=st.lists(st.tuples(st.sampled_from(["champion", "challenger"]), st.sampled_from([1, 2, 3, None]))))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_aliases_are_the_fold_of_their_history(registry, make_package, moves):
    for n in range(3):
        registry.register("late", make_package(bytes([n])).path)
    for alias, version in moves:
        move(registry, version, alias)
    folded: dict[str, int | None] = {}
    for record in registry.history("late"):
        assert record.previous_version == folded.get(record.alias)
        folded[record.alias] = record.version
    assert registry.aliases("late") == {alias: version for alias, version in folded.items() if version is not None}
