"""A whole run of a small project on real flights: once, again, interrupted, and stopped by a gate."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from headrace.data import TableStore

pytestmark = pytest.mark.slow

PROJECT = """
import headrace as hr

source = hr.CsvSource(
    "flights.csv",
    {"id": "string", "origin": "string", "carrier": "string", "due": "timestamp", "landed": "timestamp",
     "delay": "int64", "distance": "int64"},
)
flights = hr.EventTable("flights", source, ["origin", "carrier"], event_time="due", available_at="landed", resolution=1)
landings = hr.EventTable(
    "landings", hr.table("flights"), ["origin", "carrier"], event_time="landed", available_at="landed", resolution=1
)
features = hr.FeatureSet(
    "set", spine=flights, at="due - 2h", row_id="id",
    features=[
        *(hr.windows(landings, by=by, over=["3h", "24h"], values={"delay": [hr.Mean(), hr.Max()], None: [hr.Count()]})
          for by in ("origin", "carrier")),
        hr.cyclic("due", "hour", tz="America/New_York"), hr.request("distance"),
    ],
)
late = hr.Model(
    "late", features=features, target=hr.column("delay") > 15,
    split=hr.TimeSplit(train="2013-03-01", valid="2013-03-20"),
    params={"num_leaves": 15, "learning_rate": 0.1}, rounds=60, early_stopping_rounds=10,
    gates=[hr.AtLeast("auc", 0.5)], naive_by=["carrier"],
)
project = hr.Project(
    "small", model=late, release=hr.Release(share=0.2, requests=200),
    schemas={"flights": hr.Schema([hr.Field("id", "string", unique=True), hr.Field("distance", "int64", min=1)])},
    monitoring=hr.Monitoring(
        drift=hr.DriftSettings(important_share=0.01), rehearsal=hr.UnitChange("origin_delay_mean_24h", 60)
    ),
)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory, small_flights):
    folder = tmp_path_factory.mktemp("small")
    (folder / "flights.csv").symlink_to(small_flights)
    (folder / "project.py").write_text(PROJECT)
    return folder


def run(folder, *options, home="home"):
    return subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "run", ".", "--home", home, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def first(project):
    done = run(project, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_goes_through_all_stages(project, first):
    assert first["leaf_mismatches"] == 0
    assert first["max_abs_diff_served"] <= 2e-6
    assert abs(first["auc_served"] - first["auc_test"]) <= 1e-6
    assert first["drift_found"] == "origin_delay_mean_24h"
    assert len(first["stage_seconds"]) == 10
    assert (project / "home" / "report.html").read_text().lower().startswith("<!doctype html>")
    assert json.loads((project / "home" / "summary.json").read_text()) == first
    graphs = list((project / "home" / "packages").glob("*/model.onnx"))
    assert len(graphs) >= 2
    assert all(graph.with_name("model.cuda.onnx").is_file() for graph in graphs)


def test_a_second_run_skips_every_stage(project, first):
    done = run(project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("skipped: its inputs did not change") == 10
    assert json.loads((project / "home" / "summary.json").read_text())["auc_test"] == first["auc_test"]


def command(project, *words):
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", *words, "--json"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_run_leaves_one_record_and_one_that_skipped_every_stage_none(project, first):
    code, runs = command(project, "runs", "list", "--home", "home")
    assert code == 0
    (record,) = runs
    assert (record["kind"], record["status"], record["model"]) == ("pipeline", "finished", "late")
    assert record["metrics"]["test.auc"]["value"] == first["auc_test"]
    assert record["metrics"]["test.auc"]["low"] < first["auc_test"] < record["metrics"]["test.auc"]["high"]
    assert record["parameters"]["num_leaves"] == 15
    assert {version["digest"] for version in record["versions"]} >= {first["package_digest"]}
    code, shown = command(project, "runs", "show", record["id"][:8], "--home", "home")
    assert len(shown["curves"]["valid.auc"]) >= first["trees"]


def test_a_packages_features_are_rebuilt_bit_for_bit_from_the_tables_it_names(project, first, tmp_path):
    home = shutil.copytree(project / "home", tmp_path / "home")
    shutil.rmtree(home / "features")
    store = TableStore(home / "tables")
    newer = store.read("flights").slice(0, 1_000)
    store.write("flights", newer, transaction="another content came since")
    code, rebuilt = command(tmp_path, "features", "rebuild", "late@1", "--home", "home")
    assert code == 0
    assert rebuilt["is_same"]
    assert rebuilt["rows"] > 10_000
    code, origin = command(tmp_path, "data", "lineage", "late@1", "--home", "home")
    assert origin["features_digest"] == rebuilt["digest"]
    assert origin["tables"]["flights"]["lineage"] == {"source": "flights.csv"}
    assert origin["tables"]["flights"]["rows"] > newer.num_rows
    assert command(tmp_path, "data", "vacuum", "--keep-days", "0", "--home", "home")[0] == 0
    assert command(tmp_path, "features", "rebuild", "late@1", "--home", "home")[0] == 0


def test_a_changed_gate_keeps_what_it_does_not_touch(project, first):
    (project / "project.py").write_text(PROJECT.replace('hr.AtLeast("auc", 0.5)', 'hr.AtLeast("auc", 0.99)'))
    try:
        done = run(project)
    finally:
        (project / "project.py").write_text(PROJECT)
    assert done.returncode == 6
    assert "error: the model is not packaged, 1 of 1 gates failed: 'auc at least 0.99'" in done.stderr
    assert done.stdout.count("skipped") == 4
    versions = json.loads(
        subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", "models", "--home", "home", "--json"],
            cwd=project,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    assert len(versions["late"]["versions"]) <= 3
    assert "failed" in (project / "home" / "report.html").read_text()


@pytest.mark.parametrize("after_s", [0.8, 2.5, 4.5, 7.0])
def test_ctrl_c_at_any_moment_leaves_a_run_that_goes_on(project, after_s):
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace.cli.main", "run", ".", "--home", f"home{after_s}"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode in (130, 0), said
    assert "Traceback" not in said
    if process.returncode == 130:
        assert "interrupted" in said
    home = project / f"home{after_s}"
    assert not [path for path in home.rglob(".*") if path.is_dir()], "a half-written folder was left"
    if after_s == 4.5:
        done = run(project, "--json", home=home.name)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["leaf_mismatches"] == 0


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (('"distance": "int64"', '"distanec": "int64"'), 2, "did you mean 'distance'"),
        (('"flights.csv"', '"fligths.csv"'), 2, "did you mean 'flights.csv'"),
        (('"delay": [hr.Mean()', '"dealy": [hr.Mean()'), 2, "did you mean 'delay'"),
        (
            ('column("delay") > 15', 'column("delay") + 15'),
            2,
            "gives int64, which objective 'binary' does not learn from",
        ),
    ],
)
def test_a_wrong_project_says_what_is_wrong(project, tmp_path, change, code, says):
    (tmp_path / "flights.csv").symlink_to(project / "flights.csv")
    (tmp_path / "project.py").write_text(PROJECT.replace(*change))
    done = run(tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
