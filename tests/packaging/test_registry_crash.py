"""Whenever a writer dies, and however many write at once, the registry holds whole versions and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.core.database import open_database
from headrace.packaging import Registry

WRITER = Path(__file__).with_name("registry_writer.py")
STEP_LIMIT = 200


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, WRITER, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def assert_whole(home: Path) -> Registry:
    """Every version that can be read can be loaded, numbers have no gap, no half-written package is visible."""
    registry = Registry(open_database(home / "registry.db"), home)
    for name in registry.names():
        versions = registry.versions(name)
        assert [version.version for version in versions] == list(range(1, len(versions) + 1))
        for version in versions:
            assert registry.load(str(version)).digest == version.digest
    return registry


def assert_clean(home: Path) -> None:
    assert [entry.name for entry in (home / "packages").iterdir() if entry.name.startswith(".")] == [".lock"]


@pytest.fixture
def sources(tmp_path, make_package):
    for n in range(4):
        make_package(bytes([n]))
    return tmp_path / "built"


@pytest.mark.slow
def test_a_writer_killed_at_any_step_leaves_whole_versions_and_the_next_one_cleans_up(sources, tmp_path):
    one = tmp_path / "one"
    one.mkdir()
    next(sources.iterdir()).rename(one / "package")
    writer = start(one, tmp_path / "homes", STEP_LIMIT)
    steps = int(writer.communicate(timeout=120)[0])
    assert writer.returncode == 0
    assert 30 < steps < STEP_LIMIT
    for step in range(1, steps + 1):
        home = tmp_path / "homes" / str(step)
        if not home.exists():
            continue
        registry = assert_whole(home)
        assert registry.register("late", one / "package").version == 1
        assert len(registry.versions("late")) == 1
        assert_clean(home)
        registry.engine.dispose()


@pytest.mark.slow
def test_a_writer_killed_at_a_random_moment_leaves_whole_versions(sources, tmp_path):
    home = tmp_path / "home"
    for delay_ms in (0, 20, 50, 90, 140, 200):
        writer = start(sources, home)
        while not (home / "registry.db").exists() and writer.poll() is None:
            time.sleep(0.005)
        time.sleep(delay_ms / 1000)
        writer.send_signal(signal.SIGKILL)
        writer.communicate(timeout=30)
        assert_whole(home).engine.dispose()
    writer = start(sources, home)
    writer.communicate(timeout=60)
    assert writer.returncode == 0
    assert len(assert_whole(home).versions("late")) == 4
    assert_clean(home)


@pytest.mark.slow
def test_writers_that_run_at_once_share_one_numbering(sources, tmp_path):
    home = tmp_path / "home"
    writers = [start(sources, home) for _ in range(3)]
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    registry = assert_whole(home)
    assert len(registry.versions("late")) == 4
    assert_clean(home)


def test_ctrl_c_while_a_package_is_copied_leaves_nothing(registry, make_package, tmp_path, monkeypatch):
    package = make_package()
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        registry.register("late", package.path)
    monkeypatch.undo()
    assert registry.names() == ()
    assert_clean(tmp_path / "home")
