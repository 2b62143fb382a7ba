import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from headrace.cli.load import _metadata, _Meter, _seconds
from headrace.core.errors import InvalidInputError
from headrace.load import Content, Endpoint, LoadPlan
from headrace.load.histogram import Histogram
from headrace.load.observations import Interval

pytestmark = pytest.mark.slow


def headrace_load(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "headrace.cli.main",
        "load",
        *arguments,
        "--warmup",
        "100ms",
        "--duration",
        "300ms",
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_figures_come_as_json_and_as_a_drawing(address, tmp_path):
    ran = headrace_load(address, "-m", "sum", "--rate", "200", "--plot", str(tmp_path / "run.svg"), "--json")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["loop"] == "open"
    assert document["latency"]["count"] == 60
    assert document["errors"] == 0
    assert (tmp_path / "run.svg").read_text().startswith("<svg")


def test_people_read_a_table(address):
    ran = headrace_load(address, "-m", "full", "--in-flight", "4")
    assert ran.returncode == 0, ran.stderr
    assert "RESOURCE_EXHAUSTED" in ran.stdout
    assert "queue full" in ran.stdout
    assert "with 4 in flight" in ran.stdout


@pytest.mark.parametrize("limits", [("-m", "full", "--fail-on-errors"), ("-m", "sum", "--max-p99-ms", "0.000001")])
def test_a_limit_that_is_not_kept_is_an_exit_code(address, limits):
    ran = headrace_load(address, *limits)
    assert ran.returncode == 6
    assert "error:" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("127.0.0.1:1", "-m", "sum"), 7, "no server answers at 127.0.0.1:1"),
        (("nonsense", "-m", "sum"), 2, "HOST:PORT"),
        (("127.0.0.1:1", "-m", "sum", "--plot", "run.png"), 2, ".svg or .html"),
        (("127.0.0.1:1", "-m", "sum", "--rate", "5", "--stages", "1s:5"), 2, "both given"),
        (("127.0.0.1:1", "-m", "sum", "--in-flight", "0"), 2, "in_flight is 0"),
    ],
)
def test_what_cannot_be_run_says_so_in_a_sentence(arguments, code, message):
    ran = headrace_load(*arguments)
    assert ran.returncode == code
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("3", 3)])
def test_times_are_read_with_their_unit(text, seconds):
    assert _seconds(text) == seconds


def test_what_is_no_time_is_refused():
    with pytest.raises(InvalidInputError, match="is not a time"):
        _seconds("soon")


def test_ctrl_c_ends_the_run_and_shows_what_was_measured_until_then(address, extension):
    command = [sys.executable, "-m", "headrace.cli.main", "load", address, "-m", "sum", "--duration", "60s", "--json"]
    process = subprocess.Popen([*command, "--warmup", "0s"], stdout=subprocess.PIPE, text=True)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    document = json.loads(output)
    assert document["latency"]["count"] > 0
    assert document["seconds"] < 30
    assert document["rate"] == pytest.approx(document["latency"]["count"] / document["seconds"], rel=0.3)


def test_a_terminal_gets_a_line_a_second(capsys):
    meter = _Meter(LoadPlan(Endpoint("127.0.0.1:1"), Content("late"), warmup_s=1.0))
    meter._shown = True
    statuses = [0] * 17
    statuses[0], statuses[8] = 50, 2
    for _ in range(20):
        meter(Interval(tuple(statuses), 52, 3, Histogram.of_values(np.full(50, 2_000_000))))
    meter.close()
    lines = capsys.readouterr().err.rstrip().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2"]
    assert "warm-up" in lines[0]
    assert "500/s" in lines[1]
    assert "20 errors/s" in lines[1]
    assert "2 ms" in lines[1]


def test_headers_are_name_and_value_and_a_token_is_one_of_them():
    assert _metadata("abc", ["X-Team=late=1"]) == (("x-team", "late=1"), ("authorization", "Bearer abc"))
    with pytest.raises(InvalidInputError, match="is not NAME=VALUE"):
        _metadata("", ["team"])
