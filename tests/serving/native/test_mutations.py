"""Mutated messages and mutated frames, over a socket, through each transport: the same answers, no crash, no hang."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("mutate_messages.py")


@pytest.mark.slow
def test_both_transports_answer_mutated_messages_alike(serve):
    """A sample of what `mutate_messages.py --count 1000000` does at length."""
    servers = {door: serve(door) for door in ("grpcio", "native")}
    places = [f"{door}={server.address}/{server.process.pid}" for door, server in servers.items()]
    run = subprocess.run(
        [sys.executable, SCRIPT, "--count", "5000", "--frames", "300", *places],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout[:4000] + run.stderr[-2000:]
    found = json.loads(run.stdout)
    assert found["statuses"]["0"] > 500
    assert found["statuses"]["3"] > 500
    assert max(found["grown_bytes"].values()) < 60 << 20
    for server in servers.values():
        assert '"level": "error"' not in server.log.read_text()
