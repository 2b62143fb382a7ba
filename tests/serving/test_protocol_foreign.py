"""tritonclient, synchronous and asynchronous, in a process of its own: every method of the protocol once."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-interop" / "bin" / "python"
SCRIPT = Path(__file__).with_name("foreign_tour.py")
SCORES = [1006.0, 1022.0]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-interop with tritonclient: make .venv-interop/.done"),
]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    certificate, key = folder / "server.pem", folder / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=server"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key


@pytest.fixture(params=["plain", "tls", "workers"])
def tour(request, start_process, tmp_path) -> dict:
    changes: dict = {}
    trusted: list[Path] = []
    if request.param == "tls":
        if shutil.which("openssl") is None:
            pytest.skip("no openssl to make the certificate")
        certificate, key = make_certificate(tmp_path)
        changes, trusted = {"tls": {"certificate": str(certificate), "key": str(key)}}, [certificate]
    elif request.param == "workers":
        changes = {"workers": 2}
    server = start_process(**changes)
    command = [PYTHON, SCRIPT, server.address, *trusted]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    assert not server.events("request_failed")
    return json.loads(run.stdout)


def test_a_foreign_client_tours_every_method(tour):
    check_answers(tour["infer"], tour["asynchronous"])
    check_stream(tour["stream"])
    check_descriptions(tour["describe"])
    check_repository(tour["repository"])
    check_shared_memory(tour["shared"])
    check_settings(tour["settings"])


def check_answers(seen: dict, asynchronous: dict) -> None:
    assert seen["plain"] == seen["compressed"] == SCORES
    assert seen["async"] == [SCORES, None]
    for name, code, words in (
        ("bad_priority", "INVALID_ARGUMENT", "'priority': 99 came, allowed: 1 (first) to 3"),
        ("bad_shape", "INVALID_ARGUMENT", "[1, 9] came, expected [-1, 4]"),
        ("too_late", "DEADLINE_EXCEEDED", "deadline passed"),
    ):
        status, text = seen[name]
        assert status == f"StatusCode.{code}", name
        assert words in text
    assert asynchronous["ready"]
    assert asynchronous["scores"] == [SCORES] * 20
    assert asynchronous["streamed"] == [[str(number), SCORES, None] for number in range(5)]


def check_stream(seen: list) -> None:
    kind, text = seen.pop(7)
    assert kind == "error"
    assert "[1, 9] came, expected [-1, 4]" in text
    assert seen == [[str(number), [1000.0 + 4 * number], True] for number in range(20) if number != 7]


def check_descriptions(seen: dict) -> None:
    assert seen["live"]
    assert seen["ready"]
    assert seen["model_ready"]
    assert seen["server"]["name"] == "headrace"
    assert {"statistics", "model_repository", "system_shared_memory", "trace", "logging"} <= set(
        seen["server"]["extensions"]
    )
    assert seen["metadata"]["versions"] == ["1"]
    assert seen["config"]["max_batch_size"] == 16_384
    assert not seen["config"].get("model_transaction_policy", {}).get("decoupled")
    statistics = seen["statistics"]["inference_stats"]
    assert int(statistics["success"]["count"]) == 22
    assert int(statistics["fail"]["count"]) >= 3
    counts = {statistics[f"compute_{phase}"]["count"] for phase in ("input", "infer", "output")}
    assert counts == {statistics["queue"]["count"]}


def check_repository(seen: dict) -> None:
    assert {"name": "late", "version": "1", "state": "READY"} in seen["index"]["models"]
    assert (seen["after_unload"], seen["after_load"]) == (False, True)
    assert seen["unknown"][0] == "StatusCode.NOT_FOUND"


def check_shared_memory(seen: dict) -> None:
    assert seen["scores"] == SCORES
    (region,) = seen["status"]["regions"].values()
    assert (region["name"], region["byte_size"]) == ("tour", "64")
    assert seen["twice"][0] == "StatusCode.ALREADY_EXISTS"
    assert seen["beyond"][0] == "StatusCode.INVALID_ARGUMENT"
    assert seen["after"] == seen["cuda_status"] == {}
    assert seen["cuda"][0] in {"StatusCode.UNIMPLEMENTED", "StatusCode.INVALID_ARGUMENT"}  # no driver; no handle


def check_settings(seen: dict) -> None:
    assert seen["trace"]["settings"]["trace_level"]["value"] == ["OFF"]
    assert seen["no_traces"][0] == "StatusCode.UNAVAILABLE"
    assert not seen["quiet"]["settings"]["log_info"].get("bool_param")
    assert seen["loud"] == seen["log"]
    assert seen["log"]["settings"]["log_info"]["bool_param"]
    assert "known: log_error" in seen["unknown"][1]
