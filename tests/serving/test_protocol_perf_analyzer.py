"""perf_analyzer, unchanged, against a server process: metadata, configuration and statistics are what it needs."""

import csv
import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / ".venv-interop" / "perf_analyzer"
PROGRAM = TOOLS / "bin" / "perf_analyzer"
LIBRARIES = TOOLS / "nvidia" / "cuda_runtime" / "lib"
REQUESTS = 200


def run(*options: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)}
    return subprocess.run([PROGRAM, *options], env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module", autouse=True)
def program() -> None:
    if not PROGRAM.exists():
        pytest.skip("no perf_analyzer: make .venv-interop/.done")
    started = run("--version")
    if started.returncode:
        pytest.skip(f"perf_analyzer does not start here: {started.stderr.strip()}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--concurrency-range", "2"),
        ("--concurrency-range", "4", "--async", "--streaming"),
        ("--concurrency-range", "2", "-b", "8", "--shared-memory", "system"),
    ],
    ids=["unary", "streaming", "shared-memory"],
)
def test_it_measures_client_and_server(start_process, tmp_path, options):
    server = start_process()
    report = tmp_path / "report.csv"
    measured = run(
        *("-m", "late", "-u", server.address, "-i", "grpc", "-f", str(report)),
        *("--request-count", str(REQUESTS), "--stability-percentage", "999", *options),
    )
    assert measured.returncode == 0, measured.stdout + measured.stderr
    with report.open() as lines:
        row = next(csv.DictReader(lines))
    for name in ("Inferences/Second", "Client Send", "Server Queue", "Server Compute Infer", "p99 latency"):
        assert float(row[name]) >= 0, row
    assert float(row["Server Compute Infer"]) > 0
    assert f"Request count: {REQUESTS}" in measured.stdout
    assert "Successful request count" in measured.stdout
