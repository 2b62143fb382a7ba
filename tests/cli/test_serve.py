"""`headrace serve` and `headrace key` as commands: every setting is an option, wrong ones are refused in words."""

import dataclasses
import inspect
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from headrace.cli.main import application
from headrace.cli.serve import serve
from headrace.core.errors import HeadraceError
from headrace.serving.config import BatchingConfig, LimitsConfig, ServingConfig, TlsConfig

ELSEWHERE = {
    "batching",  # one option a field
    "limits",
    "tls",
    "on_ready",
    "database",  # of --home
    "store",
    "package_cache",
    "trusted_keys",  # a list of options, of the environment where none is given
    "response_cache_bytes",  # --cache-mb
    "certificate",  # --tls-cert
    "key",  # --tls-key
}


def run(*arguments):
    """The command's output, and the error it ended with."""
    result = CliRunner().invoke(application(), [str(argument) for argument in arguments])
    return result, result.exception


@pytest.mark.parametrize("kind", [ServingConfig, BatchingConfig, LimitsConfig, TlsConfig])
def test_every_setting_is_an_option_with_the_same_default(kind):
    parameters = inspect.signature(serve).parameters
    for field in dataclasses.fields(kind):
        if field.name in ELSEWHERE:
            continue
        given = parameters[field.name].default
        expected = field.default if field.name != "models" else None
        assert given == getattr(expected, "value", expected), field.name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workers", 0], "workers is 0; allowed: 1 to 256"),
        (["--workers", 1000], "workers is 1000; allowed"),
        (["--port", 70000], "port is 70000; allowed"),
        (["--metrics-port", 70000], "metrics_port is 70000; allowed"),
        (["--door", "front"], "--door is 'front'; allowed: auto, grpcio, native"),
        (["--cache-mb", "nan"], "--cache-mb is nan; allowed"),
        (["--cache-mb", -1], "--cache-mb is -1.0; allowed"),
        (["--target-ms", "nan"], "target_ms is nan"),
        (["--grace-s", "inf"], "grace_s is inf; allowed"),
        (["--drain-delay", -1], "drain_delay_s is -1.0; allowed"),
        (["--access-log", 1.5], "access_log is 1.5; allowed: 0 to 1"),
        (["--access-log", "nan"], "access_log is nan; allowed: 0 to 1"),
        (["--max-streams", 0], "max_streams is 0; allowed"),
        (["--poll-ms", 1], "poll_ms is 1"),
        (["--tls-cert", "a.pem"], "TLS needs --tls-cert and --tls-key"),
        (["--client-ca", "a.pem"], "TLS needs --tls-cert and --tls-key"),
        (["--default-priority", 9], "default_priority is 9"),
    ],
)
def test_values_out_of_range_are_refused_in_words(tmp_path, arguments, says):
    _result, error = run("serve", "--repository", tmp_path, "--port", 0, "--metrics-port", -1, *arguments)
    assert isinstance(error, HeadraceError)
    assert says in error.message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tls-cert", "none.pem", "--tls-key", "none.key"], "no certificate at none.pem"),
        (["--access", "none.toml"], "no file of API keys at none.toml"),
        (["--traces", "collector"], "the trace endpoint is 'collector'"),
        (["--repository", "nowhere"], "no repository folder at nowhere"),
        ([], "no model to serve"),
        (["--host", "256.1.1.1", "--repository", "."], "host '256.1.1.1' for gRPC is not known"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_cannot_start_says_why(tmp_path, arguments, says, workers):
    folder = () if not arguments or "--repository" in arguments else ("--repository", tmp_path)
    _result, error = run("serve", "--port", 0, "--metrics-port", -1, "--workers", workers, *folder, *arguments)
    assert isinstance(error, HeadraceError)
    assert says in error.message


def test_a_key_is_shown_once_beside_its_lines_for_the_file():
    result, error = run("key", "job", "--scope", "infer")
    assert error is None
    assert 'name = "job"' in result.stdout
    assert 'scopes = ["infer"]' in result.stdout
    assert "the key, shown this once" in result.stderr
    result, _error = run("key", "job", "--json")
    made = json.loads(result.stdout)
    assert made["key"] not in made["entry"]
    _result, error = run("key", "job", "--scope", "everything")
    assert isinstance(error, HeadraceError)


@pytest.mark.slow
def test_the_ready_line_is_json_with_transport_and_workers(tmp_path):
    command = [sys.executable, "-m", "headrace.cli.main", "serve", "--repository", str(tmp_path), "--json"]
    with subprocess.Popen(
        [*command, "--port", "0", "--metrics-port", "0", "--workers", "2"], stdout=subprocess.PIPE, text=True
    ) as process:
        ready = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(30) == 0
    assert ready["transport"] in {"grpcio", "native"}
    assert len(ready["workers"]) == 2
    assert ready["models"] == {}


def test_require_cuda_refuses_to_start_without_it(tmp_path, monkeypatch):
    """Whatever is served, and whichever of the two ways says so."""
    monkeypatch.setattr("headrace.serving.runtime.placement._cuda_driver_loads", lambda: False)
    for wish in (["--require-cuda"], ["--device", "cuda"], ["--device", "auto", "--require-cuda"]):
        _, error = run("serve", "--repository", tmp_path, "--port", 0, "--metrics-port", -1, *wish)
        assert isinstance(error, HeadraceError)
        assert error.exit_code == 7
        assert error.message == "CUDA is required and cannot be used: no CUDA driver: libcuda.so.1 not found"
