"""A sample server in a process of its own, and the native generator where it is built."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from headrace.load.native import native_generator

SERVER = Path(__file__).parent / "sample_server.py"


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """Start the sample server; its address and its process."""
    port_file = folder / "port"
    process = subprocess.Popen([sys.executable, str(SERVER), str(port_file), *arguments])
    try:
        limit = time.monotonic() + 20
        while not port_file.exists():
            assert process.poll() is None, "the sample server ended"
            assert time.monotonic() < limit, "the sample server did not start"
            time.sleep(0.02)
        yield f"127.0.0.1:{port_file.read_text()}", process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("sample")) as (address, _):
        yield address


@pytest.fixture
def sample_server(tmp_path):
    """Start a sample server of the test's own; arguments are its options."""
    return partial(serving, tmp_path)


@pytest.fixture(scope="session")
def extension():
    found = native_generator()
    if found is None:
        pytest.skip("the native generator is not built")
    return found


@pytest.fixture(params=["native", "portable"])
def portable(request) -> bool:
    """Both generators, for what they must agree on."""
    if request.param == "native":
        request.getfixturevalue("extension")
    return request.param == "portable"
