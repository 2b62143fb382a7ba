"""The long runs, short: they start, load, look and end as they shall. Their figures are for benchmarks to judge."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script, *arguments):
    pytest.importorskip("lightgbm")
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_soak_of_twenty_seconds():
    """Too short to judge memory by two percent, or pools of threads that are not full yet."""
    found = run(
        *("soak_serving.py", "--minutes", "0.33", "--every", "1", "--clients", "4", "--trees", "20"),
        *("--workers", "2", "--memory-growth", "0.2", "--more", "6"),
    )
    assert found["outcomes"]["answered"] > 100
    assert found["outcomes"]["invalid"] > 0
    assert len(found["processes"]) == 3


@pytest.mark.parametrize("door", ["grpcio", "auto"])
def test_ten_kills_cost_what_was_in_flight_and_nothing_else(door):
    found = run("kill_workers.py", "--kills", "10", "--clients", "4", "--trees", "20", "--pause", "0.3", "--door", door)
    assert found["kills"] == 10
    assert found["failed"] == found["failed_in_flight_at_a_kill"]
    assert set(found["codes"]) <= {"unavailable"}
    assert found["answered_s"]["max"] < 2.0
