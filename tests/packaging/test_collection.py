"""A collection removes what nothing needs, says why the rest stays, and leaves no half package however it ends."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from headrace.core.database import open_database
from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.packaging import AliasMove, Registry
from headrace.packaging.collection import Keeper
from headrace.packaging.registry_schema import RETENTION

AT = datetime(2013, 12, 1, 12, tzinfo=UTC)


def move(registry, version, alias="champion"):
    with registry.engine.begin() as tx:
        registry.set_alias(tx, AliasMove("late", alias, version, actor="ann", reason="better", at=AT))


@pytest.fixture
def six(registry, make_package):
    """Versions 1 to 6; champion went 1, 2, 3 and stands on 3."""
    for n in range(6):
        registry.register("late", make_package(bytes([n])).path)
    for version in (1, 2, 3):
        move(registry, version)
    return registry


def reasons(collected):
    return {one.version.version: one.reasons for one in collected.decisions}


def gone(collected):
    return [version for version, why in reasons(collected).items() if not why]


def test_what_an_alias_a_rollback_or_nobody_needs(six):
    collected = Keeper(six, "ann").collect(keep_last=2)
    assert gone(collected) == [1, 4]
    assert reasons(collected)[3] == ("alias champion",)
    assert reasons(collected)[2] == ("a place champion may go back to",)
    assert reasons(collected)[6] == ("among the newest 2",)
    assert collected.freed_bytes > 0
    assert six.load("late").model == b"\x02"


def test_a_trial_changes_nothing(six):
    trial = Keeper(six, "ann").collect(keep_last=1, is_trial=True)
    assert gone(trial) == [1, 2, 4, 5]
    assert trial.freed_bytes == 0
    assert six.retention("late").collected == {}
    assert all(six.load(f"late@{n}") for n in range(1, 7))


def test_a_pin_and_a_release_hold_a_version(six):
    keeper = Keeper(six, "ann", needs=lambda _tx, _name: {4: "the candidate of a release"})
    keeper.pin("late@1", reason="audit")
    collected = keeper.collect(keep_last=1)
    assert gone(collected) == [2, 5]
    assert reasons(collected)[1] == ("pinned by ann: audit",)
    assert reasons(collected)[4] == ("the candidate of a release",)
    keeper.unpin("late@1", reason="audited")
    assert gone(keeper.collect(keep_last=1)) == [1]


def test_loading_or_naming_what_was_collected_says_so_and_how_to_restore_it(six):
    Keeper(six, "ann").collect(keep_last=1)
    with pytest.raises(NotFoundError, match=r"late@1: the package of late@1 was collected on .* by ann") as caught:
        six.load("late@1")
    assert "register the same package again" in caught.value.hint
    with pytest.raises(NotFoundError, match="alias 'champion' cannot point to late@1: its package was collected"):
        move(six, 1)
    with pytest.raises(NotFoundError, match="nothing to pin"):
        Keeper(six, "ann").pin("late@1", reason="too late")
    assert [version.version for version in six.versions("late")] == [1, 2, 3, 4, 5, 6]


def test_registering_the_package_again_restores_the_version_it_had(six, make_package):
    Keeper(six, "ann").collect(keep_last=1)
    assert six.register("late", make_package(b"\x00").path).version == 1
    assert six.load("late@1").model == b"\x00"
    move(six, 1)
    assert [record.action.value for record in six.retention_history("late") if record.version == 1] == [
        "collect",
        "restore",
    ]


def test_records_of_retention_are_numbered_without_gaps_and_told_in_order(six):
    keeper = Keeper(six, "ann")
    keeper.pin("late@1", reason="a")
    keeper.collect(keep_last=1)
    keeper.unpin("late@1", reason="b")
    keeper.collect(keep_last=1)
    with six.engine.connect() as tx:
        assert list(tx.scalars(sa.select(RETENTION.c.sequence).order_by(RETENTION.c.sequence))) == [1, 2, 3, 4, 5, 6]


def test_nothing_is_collected_twice(six):
    Keeper(six, "ann").collect(keep_last=1)
    again = Keeper(six, "ann").collect(keep_last=1)
    assert gone(again) == []
    assert again.freed_bytes == again.finished == 0


@pytest.mark.parametrize("keep_last", [0, -1])
def test_keeping_nothing_is_refused(six, keep_last):
    with pytest.raises(InvalidInputError, match="must be at least 1"):
        Keeper(six, "ann").collect(keep_last=keep_last)


def test_what_is_not_pinned_cannot_be_unpinned(six):
    Keeper(six, "ann").pin("late@2", reason="x")
    with pytest.raises(NotFoundError, match="late@1 is not pinned; pinned: late@2"):
        Keeper(six, "ann").unpin("late@1", reason="")


def _die_at(step, database, home):
    """In a child: collect, and die by SIGKILL at the n-th thing that lasts; returns when the collection is through."""
    count = 0

    def tick(*_args):
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(call):
        def counted(*args, **kwargs):
            tick()
            return call(*args, **kwargs)

        return counted

    engine = open_database(database)
    for module, name in ((Path, "rename"), (shutil, "rmtree"), (os, "unlink"), (os, "rmdir")):
        setattr(module, name, wrap(getattr(module, name)))
    sa.event.listen(engine, "before_cursor_execute", lambda *said: tick() if said[2].startswith("INSERT") else None)
    sa.event.listen(engine, "commit", tick)
    Keeper(Registry(engine, home), "ann").collect(keep_last=1)


@pytest.mark.slow
def test_a_collection_killed_at_any_step_leaves_whole_packages_and_the_next_one_ends_it(make_package, tmp_path):
    steps = 0
    engine = open_database(tmp_path / "before" / "r.db")
    registry = Registry(engine, tmp_path / "before")
    for n in range(3):
        registry.register("late", make_package(bytes([n])).path)
    move(registry, 3)
    engine.dispose()
    for step in range(1, 400):
        home = shutil.copytree(tmp_path / "before", tmp_path / str(step))
        child = os.fork()
        if child == 0:
            try:
                _die_at(step, home / "r.db", home)
            finally:
                os._exit(0)
        status = os.waitpid(child, 0)[1]
        engine = open_database(home / "r.db")
        registry = Registry(engine, home)
        collected = registry.retention("late").collected
        for n in (1, 2, 3):
            version = registry.get("late", n)
            if n not in collected:
                assert registry.load(f"late@{n}").digest == version.digest
            elif registry.store.has(version.digest):
                assert registry.store.get(version.digest).digest == version.digest, "a half package is visible"
        Keeper(registry, "ann").collect(keep_last=1)
        assert set(registry.retention("late").collected) == {1, 2}
        assert [entry.name for entry in (home / "packages").iterdir() if entry.name != ".lock"] == [
            registry.get("late", 3).digest
        ]
        engine.dispose()
        if status == 0:
            steps = step
            break
    assert steps > 20
