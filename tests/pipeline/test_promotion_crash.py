"""A promotion that is killed at any point, and many writers at once, leave a registry that agrees with itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from headrace.core.clock import SystemClock
from headrace.core.database import open_database
from headrace.packaging import PackageContents, Registry, Signature, build_package
from headrace.pipeline.releasing import desk_over

pytestmark = pytest.mark.slow

RACE = Path(__file__).parents[2] / "benchmarks" / "race_registry.py"


@pytest.fixture
def before(tmp_path):
    """Two versions; for a rollback the second one is champion already."""
    home = tmp_path / "before"
    engine = open_database(home / "registry.db")
    registry = Registry(engine, home)
    for number in (1, 2):
        contents = PackageContents(
            name="late", model=bytes([number]), plan={}, schema={}, signature=Signature.of_matrix(("a",)), baseline={},
            evaluation={}, lineage={}, sbom={}, model_card="",
        )  # fmt: skip
        registry.register("late", build_package(tmp_path / f"built{number}", contents).path)
    desk_over(registry, actor="test", clock=SystemClock()).adopt("late", 1, reason="first")
    engine.dispose()
    return home


def open_desk(home):
    registry = Registry(open_database(home / "registry.db"), home)
    return registry, desk_over(registry, actor="test", clock=SystemClock())


def prepare(desk, step):
    if step in {"promote", "rollback"}:
        desk.start("late", 2, share=0.1, reason="")
    if step == "rollback":
        desk.promote("late", reason="")


def take(desk, step):
    if step == "start":
        desk.start("late", 2, share=0.1, reason="killed")
    else:
        getattr(desk, step)("late", reason="killed")


def die_at(moment, home, step):
    """In a child: take the step and die by SIGKILL before its n-th statement, or before or after the commit."""
    registry, desk = open_desk(home)
    count = 0

    def tick(*_args):
        nonlocal count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(registry.engine, "before_cursor_execute", tick)
    sa.event.listen(registry.engine, "after_cursor_execute", tick)
    sa.event.listen(registry.engine, "commit", tick)
    take(desk, step)
    tick()


@pytest.mark.parametrize("step", ["start", "promote", "rollback"])
def test_killed_at_any_statement_the_old_or_the_new_state_is_there_and_the_next_step_works(before, tmp_path, step):
    _, desk = open_desk(before)
    prepare(desk, step)
    old = desk.ledger.state("late")
    found = set()
    for moment in range(1, 200):
        home = shutil.copytree(before, tmp_path / str(moment))
        child = os.fork()
        if child == 0:
            try:
                die_at(moment, home, step)
            finally:
                os._exit(0)
        status = os.waitpid(child, 0)[1]
        registry, desk = open_desk(home)
        state = desk.ledger.state("late")
        assert registry.aliases("late")["champion"] == state.champion
        assert registry.load("late").digest == registry.get("late", state.champion).digest
        assert state.candidate is None or registry.aliases("late")["challenger"] == state.candidate
        is_old = state == old
        found.add("old" if is_old else "new")
        if is_old:
            take(desk, step)
        elif step != "start":
            desk.adopt("late", 1, reason="the next step works") if state.champion == 2 else prepare(desk, "promote")
        registry.engine.dispose()
        if status == 0:
            break
    assert found == {"old", "new"}
    assert moment > 10


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_writes_of_many_processes_are_all_there_in_order_and_kills_leave_no_trace(kind, request):
    registry = [] if kind == "sqlite" else ["--registry", request.getfixturevalue("postgres_database")]
    command = [sys.executable, RACE, "--writers", "6", "--writes", "40", "--kills", "6", *registry]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["database"] == kind
    assert told["race"]["versions"] == 120
