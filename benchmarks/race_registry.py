"""Processes write to one registry at once, and are killed while they promote: is every write there, once, in order?

    python benchmarks/race_registry.py --writers 16 --writes 1000 --kills 200
    python benchmarks/race_registry.py --registry postgresql://USER@HOST/EMPTY_DATABASE

The race: half of the writes register a package (of the writer's own model, or of one that all share), half move an
alias. Afterwards the versions of a model are 1..n, every package is a version once and can be loaded, the moves are
numbered without gaps, and each says where its alias was before.

The kills: a process starts, promotes and rolls back releases until SIGKILL meets it. Then the alias and the release
ledger name the same champion, it is one that the killed process was told of or the one it was about to be told of, its
package loads, and the next promotion works.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.clock import SystemClock
from headrace.core.database import open_database
from headrace.core.errors import HeadraceError
from headrace.packaging import AliasMove, Package, PackageContents, Registry, Signature
from headrace.packaging.manifest import Manifest
from headrace.packaging.registry_schema import ALIAS_MOVES
from headrace.pipeline.releasing import desk_over
from headrace.rollout import ReleaseStatus

SHARED = "shared"
RELEASED = "late"
VERSIONS = 4


@dataclass(frozen=True)
class Place:
    """Where the raced registry is: `registry` is a file or a URI, packages lie under `home`."""

    registry: str
    home: Path

    def open(self) -> Registry:
        """Open the registry."""
        return Registry(open_database(self.registry), self.home)


def package(name: str, content: str) -> Package:
    """A small package in memory."""
    contents = PackageContents(
        name=name, model=content.encode(), plan={}, schema={}, signature=Signature.of_matrix(("a",)), baseline={},
        evaluation={}, lineage={}, sbom={}, model_card="",
    )  # fmt: skip
    files = contents.files()
    return Package(Path(), Manifest.of(name, files), files)


def write(place: Place, writer: int, writes: int) -> None:
    """One writer: registers and moves aliases in turns, on its own model and on the shared one."""
    registry = place.open()
    sys.stdin.readline()
    last: dict[str, int] = {}
    for number in range(writes):
        name = SHARED if number % 4 < 2 else f"own-{writer}"
        if number % 2 == 0:
            last[name] = registry.register_package(package(name, f"{writer}/{number}")).version
        else:
            move = AliasMove(name, f"alias-{number % 3}", last[name], f"w{writer}", str(number), datetime.now(UTC))
            with registry.engine.begin() as tx:
                registry.set_alias(tx, move)


def release(place: Place) -> None:
    """The killed process: starts, promotes and rolls back, and says the champion before and after each step."""
    desk = desk_over(place.open(), actor="killed", clock=SystemClock())
    print("ready", flush=True)
    chooser = random.Random(time.time_ns())
    while True:
        state = desk.ledger.state(RELEASED)
        candidate = chooser.choice([one for one in range(1, VERSIONS + 1) if one != state.champion])
        if state.status is ReleaseStatus.STEADY:
            desk.start(RELEASED, candidate, share=0.5, reason="try")
        state = desk.ledger.state(RELEASED)
        print("promoting", state.champion, state.candidate, flush=True)
        print("done", desk.promote(RELEASED, reason="good").champion, flush=True)
        if chooser.random() < 0.5:
            state = desk.ledger.state(RELEASED)
            print("promoting", state.champion, state.previous, flush=True)
            print("done", desk.rollback(RELEASED, reason="bad").champion, flush=True)


def race(place: Place, writers: int, writes: int) -> dict[str, Any]:
    """Run the writers to their end; what is in the registry then."""
    registry = place.open()
    processes = [_start(place, "write", writer, writes) for writer in range(writers)]
    begin = time.monotonic()
    for process in processes:
        assert process.stdin is not None, "a pipe was asked for"
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[1] for process in processes]
    took_s = time.monotonic() - begin
    ended = zip(processes, said, strict=True)
    problems = [f"a writer ended with {one.returncode}: {err.strip()[-300:]}" for one, err in ended if one.returncode]
    wanted = {SHARED: {f"{w}/{n}" for w in range(writers) for n in range(0, writes, 4)}}
    wanted |= {f"own-{w}": {f"{w}/{n}" for n in range(2, writes, 4)} for w in range(writers)}
    for name, contents in wanted.items():
        versions = registry.versions(name)
        if [one.version for one in versions] != list(range(1, len(contents) + 1)):
            problems.append(f"{name}: versions are not 1 to {len(contents)}")
        if {registry.store.get(one.digest).model.decode() for one in versions} != contents:
            problems.append(f"{name}: a package is missing, or there twice")
    problems += check_history(registry, {name: len(contents) for name, contents in wanted.items()})
    registry.engine.dispose()
    return {
        "writers": writers,
        "writes_each": writes,
        "versions": sum(map(len, wanted.values())),
        "problems": problems,
        "took_s": round(took_s, 1),
        "writes_per_s": round(writers * writes / took_s),
    }


def check_history(registry: Registry, moves_wanted: dict[str, int]) -> list[str]:
    """What is wrong with the numbering and the chain of alias moves."""
    problems = []
    with registry.engine.connect() as tx:
        numbers = list(tx.scalars(sa.select(ALIAS_MOVES.c.sequence).order_by(ALIAS_MOVES.c.sequence)))
    if numbers != list(range(1, sum(moves_wanted.values()) + 1)):
        problems.append(f"{len(numbers)} alias moves of {sum(moves_wanted.values())}, or their numbers have gaps")
    for name, wanted in moves_wanted.items():
        history = registry.history(name)
        if len({(one.actor, one.reason) for one in history}) != wanted or len(history) != wanted:
            problems.append(f"{name}: {len(history)} moves, {wanted} were made")
        where: dict[str, int | None] = {}
        for one in history:
            if one.previous_version != where.get(one.alias):
                problems.append(f"{name}: move {one.sequence} says another place before than the move before it")
            where[one.alias] = one.version
        if registry.aliases(name) != where:
            problems.append(f"{name}: an alias is not where its last move says")
    return problems


def kill(place: Place, kills: int, seed: int) -> dict[str, Any]:
    """Kill so many processes while they promote; what was found each time."""
    registry, chooser = place.open(), random.Random(seed)
    desk = desk_over(registry, actor="campaign", clock=SystemClock())
    for number in range(VERSIONS):
        registry.register_package(package(RELEASED, str(number)))
    desk.adopt(RELEASED, 1, reason="first")
    found: Counter[str] = Counter()
    problems: list[str] = []
    begin = time.monotonic()
    for number in range(kills):
        process = _start(place, "release")
        assert process.stdout is not None, "a pipe was asked for"
        if process.stdout.readline() != "ready\n":
            sys.exit(f"a process did not start: {process.communicate()[1]}")
        time.sleep(chooser.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        told = process.communicate(timeout=60)[0].splitlines()
        try:
            found[_outcome(registry, desk, told)] += 1
        except (AssertionError, HeadraceError) as error:
            problems.append(f"kill {number}: {error}")
    steps = len(desk.ledger.events(RELEASED))
    registry.engine.dispose()
    return {
        "kills": kills, "found": dict(found), "steps_written": steps, "problems": problems,
        "took_s": round(time.monotonic() - begin, 1),
    }  # fmt: skip


def _outcome(registry: Registry, desk: Any, told: list[str]) -> str:
    """Which champion there is after a kill, and that everything agrees on it and goes on.

    Raises:
        AssertionError: it is neither the old nor the new one, or the next promotion does not work.
    """
    whole = [line.split() for line in told if line.split()[0] in {"promoting", "done"}]
    state = desk.ledger.state(RELEASED)
    assert registry.aliases(RELEASED)["champion"] == state.champion, "alias and ledger name different champions"
    assert registry.load(RELEASED).name == RELEASED
    if not whole:
        outcome = "between"
    elif whole[-1][0] == "done":
        assert str(state.champion) == whole[-1][1], f"{state.champion} is champion, {whole[-1][1]} was acknowledged"
        outcome = "between"
    else:
        _, old, new = whole[-1]
        assert str(state.champion) in {old, new}, f"{state.champion} is champion, neither {old} nor {new}"
        outcome = "old" if str(state.champion) == old else "new"
    if state.candidate is None:
        desk.start(RELEASED, state.champion % VERSIONS + 1, share=0.5, reason="after the kill")
    after = desk.promote(RELEASED, reason="after the kill")
    assert registry.aliases(RELEASED)["champion"] == after.champion
    return outcome


def _start(place: Place, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--child", place.registry, str(place.home), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def main() -> None:
    """Race and kill, print what came of it as JSON, fail where a write is lost or a champion is neither old nor new."""
    if sys.argv[1:2] == ["--child"]:
        place = Place(sys.argv[2], Path(sys.argv[3]))
        if sys.argv[4] == "release":
            release(place)
        write(place, int(sys.argv[5]), int(sys.argv[6]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--registry", help="an empty database; default: a SQLite file in a scratch folder")
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--writes", type=int, default=1000, help="of each writer; a multiple of 4")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(arguments.registry or f"{folder}/registry.db", Path(folder))
        found = {
            "database": "postgresql" if arguments.registry else "sqlite",
            "race": race(place, arguments.writers, arguments.writes),
            "kill": kill(place, arguments.kills, arguments.seed),
        }
    print(json.dumps(found, indent=2))
    if found["race"]["problems"] or found["kill"]["problems"]:
        sys.exit("a write was lost, or a kill was seen")


if __name__ == "__main__":
    main()
