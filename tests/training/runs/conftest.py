"""Fixtures of the tests of run records: a store over each database, whose clock is turned by hand."""

import pytest

from headrace.core.clock import ManualClock
from headrace.core.database import open_database
from headrace.training.runs import RunStore


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def store(request, tmp_path, clock):
    place = tmp_path / "registry.db" if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    engine = open_database(place)
    yield RunStore(engine, clock=clock)
    engine.dispose()
