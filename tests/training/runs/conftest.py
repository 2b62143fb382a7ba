"""Fixtures of the tests of run records: a store whose clock is turned by hand."""

import pytest

from headrace.core.clock import ManualClock
from headrace.core.database import open_database
from headrace.training.runs import RunStore


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(tmp_path, clock):
    engine = open_database(tmp_path / "registry.db")
    yield RunStore(engine, clock=clock)
    engine.dispose()
