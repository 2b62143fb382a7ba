"""A server follows a registry on PostgreSQL, with packages in an object store, as it follows a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from headrace.client import Client
from headrace.core.clock import SystemClock
from headrace.core.database import open_database
from headrace.packaging import PackageContents, Registry, Signature, build_package
from headrace.packaging.stores import open_store
from headrace.pipeline.releasing import desk_over

pytestmark = pytest.mark.slow


@pytest.fixture
def registry(postgres_database, s3_bucket, sum_model, tmp_path):
    store = open_store("s3://shop/models", cache=tmp_path / "writer-cache")
    engine = open_database(postgres_database)
    registry = Registry(engine, store)
    for version in (1, 2):
        contents = PackageContents(
            name="late", model=sum_model(version), plan={}, schema={}, signature=Signature.of_matrix(tuple("abcd")),
            baseline={}, evaluation={}, lineage={}, sbom={}, model_card="",
        )  # fmt: skip
        registry.register("late", build_package(tmp_path / f"built{version}", contents).path)
    yield registry
    engine.dispose()


@pytest.fixture
def start(registry, postgres_database, tmp_path):
    running = []

    def run(*options, **environment):
        ready = tmp_path / f"ready{len(running)}.json"
        command = [sys.executable, "-m", "headrace.cli.main", "serve", "late", "--home", tmp_path / "server"]
        command += ["--port", "0", "--metrics-port", "-1", "--ready-file", ready, *options]
        places = {"HEADRACE_REGISTRY": postgres_database, "HEADRACE_PACKAGES": "s3://shop/models"}
        process = subprocess.Popen(
            command, env={**os.environ, **places, **environment}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        running.append(process)
        limit = time.monotonic() + 60
        while not ready.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.02)
        return process, json.loads(ready.read_text())["address"] if ready.exists() else None

    yield run
    for process in running:
        process.terminate()
        process.communicate(timeout=30)


def versions(client):
    return {client.infer("late", np.ones((1, 4), np.float32)).model_version for _ in range(5)}


def until(client, version):
    limit = time.monotonic() + 20
    while versions(client) != {version}:
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_a_server_follows_promotions_and_serves_from_its_cache(registry, start, s3_bucket, postgres_database, tmp_path):
    import psycopg

    desk = desk_over(registry, actor="test", clock=SystemClock())
    desk.adopt("late", 1, reason="first")
    _, address = start()
    with Client(address, timeout_s=30) as client:
        until(client, "1")
        desk.start("late", 2, share=1.0, reason="")
        desk.promote("late", reason="good")
        until(client, "2")
        desk.rollback("late", reason="bad")
        until(client, "1")
        with psycopg.connect(postgres_database, autocommit=True) as admin:  # as when the database server restarts
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert versions(client) == {"1"}
        desk.adopt("late", 2, reason="after the break")
        until(client, "2")
        desk.adopt("late", 1, reason="back")
        until(client, "1")
    cached = {path.name for path in (tmp_path / "server" / "package-cache" / "packages").glob("[!.]*")}
    assert cached == {version.digest for version in registry.versions("late")}
    s3_bucket.delete_dir_contents("shop")
    _, address = start()
    with Client(address, timeout_s=30) as client:
        until(client, "1")


def test_a_server_told_to_ask_for_signatures_refuses_what_nobody_signed(registry, start, tmp_path):
    from headrace.packaging.signing import generate_keys, sign_digest

    generate_keys(tmp_path / "k.key", tmp_path / "k.pub")
    desk_over(registry, actor="test", clock=SystemClock()).adopt("late", 1, reason="first")
    process, address = start("--trusted-key", str(tmp_path / "k.pub"))
    assert address is None
    assert process.wait(30) == 12
    assert "no trusted key signed" in process.stderr.read()
    digest = registry.get("late", 1).digest
    registry.store.sign(digest, *sign_digest(digest, tmp_path / "k.key"))
    _, address = start(HEADRACE_TRUSTED_KEYS=str(tmp_path / "k.pub"))
    assert address is not None


def test_a_password_is_never_told(registry, start, postgres_database):
    uri = postgres_database.replace("tester@127.0.0.1:", "tester:geheim@127.0.0.1:").rpartition("/")[0] + "/nowhere"
    process, address = start(HEADRACE_REGISTRY=uri)
    assert address is None
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 7
    assert "tester:***@127.0.0.1" in said
    assert "geheim" not in said
