"""Fixtures of the tests of run records: a store over each database, whose clock is turned by hand."""

import importlib.util
from pathlib import Path

import pytest
import sqlalchemy as sa

from headrace.core.clock import ManualClock
from headrace.core.database import open_database
from headrace.training.runs import RunStore

_SPEC = importlib.util.spec_from_file_location("postgres_server", Path(__file__).parents[2] / "data" / "postgres.py")
postgres = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(postgres)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(scope="session")
def postgres_uri(tmp_path_factory):
    reason = postgres.missing()
    if reason is not None:
        pytest.skip(reason)
    with postgres.running(tmp_path_factory.mktemp("runs")) as uri:
        yield uri.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def store(request, tmp_path, clock):
    if request.param == "sqlite":
        engine = open_database(tmp_path / "registry.db")
    else:
        engine = sa.create_engine(request.getfixturevalue("postgres_uri"))
        with engine.begin() as tx:
            tx.exec_driver_sql("DROP SCHEMA public CASCADE")
            tx.exec_driver_sql("CREATE SCHEMA public")
    yield RunStore(engine, clock=clock)
    engine.dispose()
