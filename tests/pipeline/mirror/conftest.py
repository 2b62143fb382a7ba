"""A real MLflow server, a workspace to mirror, and what the server shows."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from headrace.core.database import open_database
from headrace.packaging import PackageContents, Registry, Signature, build_package
from headrace.packaging.aliases import AliasMove
from headrace.training.runs import RegisteredVersion, RunKind, RunStart, RunStore, SnapshotRead

ROOT = Path(__file__).parents[3]
MLFLOW = ROOT / ".venv-mlflow" / "bin" / "python"
START_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`mlflow server` over a SQLite file; stopped and started at will, on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [MLFLOW, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        quiet["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # its job runner takes ten seconds to end
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=os.environ | quiet, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):  # noqa: S310  our own server
                    return
            except OSError:
                assert self._process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
                time.sleep(0.2)
        pytest.fail("mlflow server did not start")

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None

    def ask(self, method: str, body: dict | None = None) -> dict:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310  our own server
            f"{self.url}/api/2.0/mlflow/{method}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  our own server
            return json.load(answer)

    def runs(self, project: str) -> list[dict]:
        experiment = self.ask(f"experiments/get-by-name?experiment_name={project}")["experiment"]["experiment_id"]
        body = {"experiment_ids": [experiment], "max_results": 5000, "run_view_type": "ALL"}
        return self.ask("runs/search", body).get("runs", [])

    def history(self, run: str, key: str) -> list[tuple[int, float]]:
        found = self.ask(f"metrics/get-history?run_id={run}&metric_key={key}")["metrics"]
        return [(one["step"], one["value"]) for one in found]

    def versions(self, model: str) -> list[dict]:
        return self.ask(f"model-versions/search?filter=name%3D%27{model}%27").get("model_versions", [])

    def aliases(self, model: str) -> dict[str, str]:
        found = self.ask(f"registered-models/get?name={model}")["registered_model"].get("aliases", [])
        return {one["alias"]: one["version"] for one in found}


def tags(run: dict) -> dict[str, str]:
    return {one["key"]: one["value"] for one in run["data"].get("tags", [])}


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory):
    if not MLFLOW.exists():
        pytest.skip("no .venv-mlflow with mlflow: make .venv-mlflow/.done")
    server = Server(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


class Home:
    """A workspace with a tuning run, its trials, a pipeline run, and registered versions."""

    def __init__(self, path: Path, name: str, database: str | None = None) -> None:
        self.path, self.name = path, name
        self.engine = open_database(database or path / "registry.db")
        self.store = RunStore(self.engine)
        self.registry = Registry(self.engine, path)

    def tune(self, trials: int, points: int = 20) -> str:
        with self.store.begin(RunStart(RunKind.TUNING, self.name, self.name, "study")) as study:
            study.parameters({"trials": trials})
            for number in range(trials):
                with study.child(RunKind.TRIAL, f"trial {number}") as trial:
                    trial.parameters({"num_leaves": 8 + number, "odd[name]": "x" * 7_000})
                    trial.metric("valid.auc", 0.7 + number / 100, 0.6, 0.9, higher_is_better=True)
                    trial.metric("ndcg@5", 0.5)
                    trial.curve("valid.auc", [(tree, 0.5 + tree / 1000) for tree in range(1, points + 1)])
        return study.id

    def register(self, content: bytes, folder: Path) -> str:
        """A pipeline run that registers a version, which becomes champion; the run's id."""
        contents = PackageContents(
            self.name,
            content,
            {"features": ["a"]},
            {},
            Signature.of_matrix(("a",)),
            {},
            {},
            {"snapshot": {}},
            {},
            "#\n",
        )
        with self.store.begin(RunStart(RunKind.PIPELINE, self.name, self.name)) as run:
            package = build_package(folder / content.hex()[:16], contents)
            version = self.registry.register(self.name, package.path)
            run.snapshot("flights", SnapshotRead("flights_accepted", 3, "e" * 64))
            run.version(RegisteredVersion(version.name, version.version, version.digest))
        self.move("champion", version.version)
        return run.id

    def move(self, alias: str, version: int | None) -> None:
        with self.engine.begin() as tx:
            at = self.store.get(self.store.runs()[0].id).started_at
            self.registry.set_alias(tx, AliasMove(self.name, alias, version, actor="test", reason="a test", at=at))


@pytest.fixture
def shared_home(tmp_path, request, postgres_database):
    """The same with its records in PostgreSQL."""
    made = Home(tmp_path / "home", request.node.name[5:50], postgres_database)
    yield made
    made.engine.dispose()


@pytest.fixture
def home(tmp_path, request):
    """Named after the test: every test has an experiment and a model of its own on the shared server."""
    made = Home(tmp_path / "home", request.node.name[5:50].replace("[", "-").replace("]", ""))
    yield made
    made.engine.dispose()
