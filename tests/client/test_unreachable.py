"""A client of a server that is not there."""

import socket

import numpy as np
import pytest

from headrace.client import Client
from headrace.core.errors import DeadlineError, UnavailableError


@pytest.fixture
def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_nobody_there_is_unavailable_and_names_the_address(nowhere):
    with Client(nowhere, timeout_s=5) as client:
        with pytest.raises(UnavailableError, match=f"no server answers at {nowhere}"):
            client.infer("late", np.zeros((1, 4), np.float32))
        assert not client.ready()
        with pytest.raises(UnavailableError, match=r"was not ready within 0\.2 s"):
            client.wait_until_ready(timeout_s=0.2)


def test_a_server_that_never_answers_is_a_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        with client, pytest.raises((DeadlineError, UnavailableError)):
            client.infer("late", np.zeros((1, 4), np.float32))
