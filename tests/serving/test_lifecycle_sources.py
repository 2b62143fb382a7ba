"""The registry and a folder of plain models in one server."""

import sqlite3
import subprocess
import sys

import pytest

from headrace.core.clock import ManualClock
from headrace.core.errors import InvalidInputError, NotFoundError, UnavailableError
from headrace.serving.config import Device, ServingConfig
from headrace.serving.models.manager import LOOK_S, FleetManager
from headrace.serving.models.source import open_source


@pytest.fixture
def folder(tmp_path, sum_model):
    """A repository with version 5 of `plain`."""
    root = tmp_path / "models"
    (root / "plain" / "5").mkdir(parents=True)
    (root / "plain" / "5" / "model.onnx").write_bytes(sum_model(5))
    return root


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def start_both(world, folder, clock):
    started = []

    def start(**changes):
        config = world.config(repository=folder, watch=True, device=Device.CPU, **changes)
        source = open_source(config, clock)
        started.append(source)
        manager = FleetManager(source, config, clock)
        manager.start()
        return manager

    yield start
    for source in started:
        source.close()


def follow(manager, clock):
    """Look often enough that a change stands still and is taken."""
    for _ in range(2):
        clock.advance(0.1)
        manager.refresh()


def served(manager):
    return {
        name: (deployment.champion.identity.version, deployment.champion.identity.features)
        for name, deployment in manager.fleet.deployments.items()
    }


def test_packages_and_plain_models_are_served_together(world, start_both, folder, sum_model, clock):
    manager = start_both()
    names = ("f0", "f1", "f2", "f3")
    assert served(manager) == {"late": (1, names), "plain": (5, ())}
    world.releases.adopt("late", 2, reason="better")
    (folder / "plain" / "6").mkdir()
    (folder / "plain" / "6" / "model.onnx").write_bytes(sum_model(6))
    follow(manager, clock)
    assert served(manager) == {"late": (2, names), "plain": (6, ())}
    assert [(line.name, line.version, line.state) for line in manager.index(ready_only=True)] == [
        ("late", "1", "READY"),
        ("late", "2", "READY"),
        ("plain", "6", "READY"),
    ]


def test_a_model_of_the_registry_is_unloaded_and_loaded_on_request(world, start_both):
    manager = start_both()
    manager.unload("late", dependents=False)
    world.releases.adopt("late", 2, reason="better")
    manager.refresh()
    assert set(served(manager)) == {"plain"}
    manager.load("late", {})
    assert served(manager)["late"][0] == 2
    world.releases.rollback("late", reason="worse")
    manager.refresh()
    assert served(manager)["late"][0] == 1


def test_the_registry_wins_a_name_that_both_have(start_both, folder):
    (folder / "plain").rename(folder / "late")
    assert served(start_both())["late"][0] == 1


def test_a_registry_that_cannot_be_read_for_a_while_keeps_what_it_said(
    start_both, folder, sum_model, clock, monkeypatch
):
    manager = start_both()
    registry = manager._source._sources[0]

    def locked(_reference):
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(registry, "_route", locked)
    (folder / "plain" / "5" / "model.onnx").write_bytes(sum_model(7) + b"")
    (folder / "plain" / "6").mkdir()
    (folder / "plain" / "6" / "model.onnx").write_bytes(sum_model(6))
    follow(manager, clock)
    assert {name: version for name, (version, _) in served(manager).items()} == {"late": 1, "plain": 6}
    with pytest.raises(UnavailableError, match="the registry cannot be read: database is locked"):
        manager.load("late", {})
    monkeypatch.undo()
    manager.load("late", {})


def test_an_unknown_reference_beside_a_good_one_is_its_own_problem_later_on(world, start_both, clock):
    """At start it ends the server; afterwards the others are followed, and the index says what is wrong."""
    with pytest.raises(NotFoundError, match="no model 'other' is registered"):
        start_both(models=("late", "other"))
    manager = start_both()
    source = manager._source._sources[0]
    source._references["other"] = [source._references["late"][0].parse("other")]
    world.releases.adopt("late", 2, reason="better")
    clock.advance(LOOK_S)
    manager.refresh()
    assert served(manager)["late"][0] == 2
    (line,) = (line for line in manager.index(ready_only=False) if line.name == "other")
    assert (line.version, line.state) == ("", "UNAVAILABLE")
    assert "no model 'other' is registered" in line.reason


def test_a_folder_alone_needs_no_registry(folder):
    """And no SQL: a server over plain models starts without it."""
    import subprocess
    import sys

    script = (
        "import sys; from pathlib import Path\n"
        "from headrace.serving import ServingConfig\n"
        "from headrace.serving.models.source import open_source\n"
        f"source = open_source(ServingConfig(repository=Path({str(folder)!r})))\n"
        "assert [model.name for model in source.wanted()] == ['plain']\n"
        "print('sqlalchemy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_neither_is_no_server():
    with pytest.raises(InvalidInputError, match="no model to serve"):
        ServingConfig()


CLOSING = """
import sys, threading
from pathlib import Path
from headrace.core.errors import UnavailableError
from headrace.serving.models.registry_source import RegistrySource

home = Path(sys.argv[1])
for _ in range(300):
    source = RegistrySource(("late",), database=home / "headrace.db", store=home)
    asked = threading.Event()

    def ask():
        try:
            while True:
                source.revision()
                asked.set()
        except UnavailableError:
            pass

    thread = threading.Thread(target=ask)
    thread.start()
    asked.wait()
    source.close()
    thread.join()
"""


@pytest.mark.slow
def test_a_registry_that_is_closed_while_it_is_asked_is_no_crash(world):
    done = subprocess.run([sys.executable, "-c", CLOSING, str(world.home)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
