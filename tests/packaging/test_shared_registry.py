"""A registry that machines share: packages in an object store, readers with no right to write."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from headrace.core.database import open_database
from headrace.core.errors import NotFoundError, PermissionDeniedError
from headrace.packaging import AliasMove, Registry
from headrace.packaging.collection import Keeper
from headrace.packaging.stores import open_store

pytestmark = pytest.mark.slow

WITHOUT_DRIVER = """
import json, sys
sys.modules["psycopg"] = None
from headrace.core.database import open_database
from headrace.core.errors import HeadraceError
try:
    open_database("postgresql://me:geheim@127.0.0.1/db")
except HeadraceError as error:
    print(json.dumps([type(error).__name__, error.message, error.hint]))
"""


@pytest.fixture
def shared(postgres_database, s3_bucket, tmp_path):
    engine = open_database(postgres_database)
    yield Registry(engine, open_store("s3://shop/models", cache=tmp_path / "cache"))
    engine.dispose()


def test_versions_are_collected_from_the_object_store_and_restored(shared, make_package, tmp_path):
    for n in range(3):
        shared.register("late", make_package(bytes([n])).path)
    elsewhere = Registry(shared.engine, open_store("s3://shop/models", cache=tmp_path / "elsewhere"))
    assert elsewhere.load("late@1").model == b"\x00"
    assert Keeper(shared, "ann").collect(keep_last=1).freed_bytes > 0
    assert not shared.store.has(shared.get("late", 1).digest)
    with pytest.raises(NotFoundError, match="was collected"):
        elsewhere.load("late@1")  # though its cache has it still
    assert elsewhere.register("late", make_package(b"\x00").path).version == 1
    assert shared.load("late@1").model == b"\x00"


def test_a_put_that_was_collected_meanwhile_is_put_again(shared, make_package, monkeypatch):
    package = make_package(b"1")
    put = shared.store.put

    def put_and_lose(one):
        put(one)
        monkeypatch.setattr(shared.store, "put", put)
        shared.store.remove(one.digest)

    monkeypatch.setattr(shared.store, "put", put_and_lose)
    version = shared.register("late", package.path)
    assert shared.store.has(version.digest)


def test_a_role_that_may_only_read_can_load_and_cannot_write(shared, postgres_database, make_package, tmp_path):
    import psycopg

    shared.register("late", make_package().path)
    with psycopg.connect(postgres_database, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS reader")
        admin.execute("CREATE ROLE reader LOGIN")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    engine = open_database(postgres_database.replace("tester@", "reader@"))
    reader = Registry(engine, open_store("s3://shop/models", cache=tmp_path / "reader"))
    assert reader.load("late@1").name == "late"
    move = AliasMove("late", "champion", 1, "reader", "I may not", datetime.now(UTC))
    with pytest.raises(PermissionDeniedError, match=r"reader@.* permission denied"), engine.begin() as tx:
        reader.set_alias(tx, move)
    engine.dispose()
    with psycopg.connect(postgres_database, autocommit=True) as admin:
        admin.execute("DROP OWNED BY reader")
        admin.execute("DROP ROLE reader")


def test_a_missing_driver_is_named_with_what_to_install():
    done = subprocess.run([sys.executable, "-c", WITHOUT_DRIVER], capture_output=True, text=True, check=True)
    kind, message, hint = json.loads(done.stdout)
    assert kind == "UnimplementedError"
    assert message == "postgresql://me:***@127.0.0.1/db needs psycopg"
    assert hint == "pip install 'headrace[postgres]'"
