"""The command line: what it prints, how it fails, with what code."""

import json
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from headrace.cli.main import app

COMMANDS = [["run"], ["tune"], ["serve"], ["predict"], ["monitor"], ["report"]]
GROUPS = {
    "release": ("start", "share", "promote", "rollback", "status"),
    "models": ("list", "history", "export", "import", "bring", "pin", "unpin", "gc"),
    "package": ("inspect", "verify", "diff", "replay", "sign", "keygen"),
}
STEPS = [[group, step] for group, steps in GROUPS.items() for step in steps]


def headrace(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group_lists_its_commands_and_what_is_typical(group):
    from typer.testing import CliRunner

    shown = CliRunner().invoke(app, [group, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "Typical" in shown.output
    for step in GROUPS[group]:
        assert f" {step} " in shown.output


@pytest.mark.parametrize("command", COMMANDS + STEPS, ids=" ".join)
def test_help_teaches(command):
    from typer.testing import CliRunner

    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "--json" in shown.output
    assert "--home" in shown.output or command in (["predict"], ["package", "keygen"])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "nowhere"], 3, "there is no project at nowhere"),
        (["models", "--home", "nowhere"], 3, "there is no registry in nowhere"),
        (["monitor", "late", "--home", "nowhere"], 3, "there is no registry in nowhere"),
        (["report", "--home", "nowhere"], 3, "there is no registry in nowhere"),
        (["release", "promote", "late", "--home", "nowhere"], 3, "there is no registry in nowhere"),
        (["serve", "late", "--home", "nowhere"], 3, "there is no registry in nowhere"),
        (["serve", "late", "--device", "tpu", "--home", "nowhere"], 2, "allowed: auto, cpu, cuda"),
        (["serve", "late", "--device", "cpu", "--require-cuda", "--home", "nowhere"], 2, "contradict each other"),
        (["predict", "late", "nothing.parquet"], 3, "there is no file nothing.parquet"),
    ],
)
@pytest.mark.slow
def test_an_error_is_a_message_a_hint_and_a_code(tmp_path, arguments, code, says):
    done = headrace(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_questions_import_nothing_heavy():
    code = (
        "import sys; sys.argv = ['headrace', '--help']\n"
        "from headrace.cli.main import app\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['run', '--help']).exit_code == 0\n"
        "print(sorted({'numba', 'polars', 'pyarrow', 'lightgbm', 'onnxruntime', 'grpc', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A registry with one small real model, champion."""
    import lightgbm as lgb

    from headrace.core.clock import SystemClock
    from headrace.core.database import open_database
    from headrace.packaging import PackageContents, Registry, Signature, build_package
    from headrace.packaging.export import export_lightgbm
    from headrace.pipeline.releasing import release_desk
    from headrace.pipeline.workspace import Workspace

    folder = tmp_path_factory.mktemp("home")
    workspace = Workspace(folder)
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(2_000, 3)).astype(np.float32)
    labels = rows.sum(axis=1) > 0
    booster = lgb.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 7}, lgb.Dataset(rows, labels), 10
    )
    engine = open_database(workspace.database)
    registry = Registry(engine, folder)
    desk = release_desk(engine, folder, actor="test", clock=SystemClock())
    for version in (1, 2):
        contents = PackageContents(
            name="late",
            model=export_lightgbm(booster, num_iteration=5 * version),
            plan={},
            schema={},
            signature=Signature.of_matrix(("a", "b", "c")),
            baseline={},
            evaluation={},
            lineage={},
            sbom={},
            model_card="",
        )
        registered = registry.register("late", build_package(folder / f"made{version}", contents).path)
        assert registered.version == version
    desk.adopt("late", 1, reason="first")
    engine.dispose()
    return folder


@pytest.fixture
def serving(home, tmp_path):
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [
            *[sys.executable, "-m", "headrace.cli.main", "serve", "late", "--home", home],
            *["--port", "0", "--metrics-port", "-1", "--ready-file", ready],
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 60
    while not ready.exists() and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.02)
    yield json.loads(ready.read_text())["address"]
    process.terminate()
    assert process.wait(30) == 0


@pytest.mark.slow
def test_a_release_by_hand_while_the_server_answers(home, serving, tmp_path):
    from headrace.pipeline.scoring import read_rows, write_rows

    rows = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    write_rows(
        tmp_path / "rows.parquet", {"id": [f"k{n}" for n in range(500)], **dict(zip("abc", rows.T, strict=True))}
    )

    def versions(expected):
        limit = time.monotonic() + 20
        while True:
            done = headrace(
                *["predict", "late", tmp_path / "rows.parquet", "-o", tmp_path / "out.parquet", "--address", serving],
                *["--rows-per-request", "1", "--concurrency", "4", "--json"],
            )
            assert done.returncode == 0, done.stderr
            found = set(json.loads(done.stdout)["rows_by_version"])
            if found == expected or time.monotonic() > limit:
                return found

    assert versions({"1"}) == {"1"}
    started = headrace("release", "start", "late", 2, "--share", 0.3, "-m", "try", "--home", home, "--json")
    assert json.loads(started.stdout)["candidate"] == 2
    assert versions({"1", "2"}) == {"1", "2"}
    table = read_rows(tmp_path / "out.parquet")
    assert abs(np.mean(table["model_version"].to_numpy() == 2) - 0.3) < 0.1
    again = headrace("release", "start", "late", 2, "--home", home)
    assert again.returncode == 2
    assert "possible now" in again.stderr
    assert headrace("release", "promote", "late", "--home", home).returncode == 0
    assert versions({"2"}) == {"2"}
    assert headrace("release", "rollback", "late", "--home", home).returncode == 0
    assert versions({"1"}) == {"1"}
    status = json.loads(headrace("release", "status", "late", "--home", home, "--json").stdout)
    assert [event["kind"] for event in status["events"]] == ["adopt", "start", "promote", "rollback"]
    listed = json.loads(headrace("models", "--home", home, "--json").stdout)
    assert [version["aliases"] for version in listed["late"]["versions"]] == [["champion"], ["challenger"]]


@pytest.mark.slow
def test_a_server_refuses_an_occupied_port_and_an_altered_package(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = headrace("serve", "late", "--home", home, "--port", port, "--metrics-port", -1)
    assert done.returncode == 4
    assert str(port) in done.stderr
    model = next((home / "packages").glob("*/model.onnx"))
    kept = model.read_bytes()
    try:
        for path in (home / "packages").glob("*/model.onnx"):
            path.chmod(0o644)
        model.write_bytes(kept + b"x")
        done = headrace("serve", f"late@{_version_of(home, model)}", "--home", home, "--port", 0, "--metrics-port", -1)
        assert done.returncode == 5
        assert "was altered: model.onnx has digest" in done.stderr
    finally:
        model.write_bytes(kept)


@pytest.mark.slow
def test_an_unknown_model_names_the_known(home):
    done = headrace("serve", "lat@champion", "--home", home, "--port", 0, "--metrics-port", -1)
    assert done.returncode == 3
    assert "did you mean 'late'" in done.stderr


def _version_of(home, model):
    listed = json.loads(headrace("models", "--home", home, "--json").stdout)["late"]["versions"]
    return next(version["version"] for version in listed if version["digest"] == model.parent.name)
