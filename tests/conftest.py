"""Servers that tests of several stages talk to: real ones, started once, on loopback ports of their own."""

import importlib.util
import itertools
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

DATABASES = itertools.count(1)


def _neighbour(name):
    spec = importlib.util.spec_from_file_location(f"tests_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """The URI of a PostgreSQL server's first database; skips with the reason where none can be started."""
    postgres = _neighbour("postgres")
    reason = postgres.missing()
    if reason is not None:
        pytest.skip(reason)
    with postgres.running(tmp_path_factory.mktemp("pg")) as uri:
        yield uri


@pytest.fixture
def postgres_database(postgres_server):
    """The URI of an empty database."""
    import psycopg

    name = f"test_{next(DATABASES)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{postgres_server.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """The address of a server that speaks S3's protocol, in a process of its own."""
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + 60
        while not (found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield found.group(1)
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def s3_bucket(s3_server, monkeypatch):
    """The file system of an S3 server with an empty bucket `shop`; the environment names both."""
    from pyarrow.fs import S3FileSystem

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ALLOW_HTTP": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    key = {"access_key": "any", "secret_key": "any", "region": "us-east-1"}
    system = S3FileSystem(endpoint_override=s3_server, allow_bucket_creation=True, **key)
    system.create_dir("shop")
    system.delete_dir_contents("shop")
    return system
