"""`headrace runs`: lists, shows, compares, mirrors; what is wrong is told in words."""

import json

import pytest
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.core.database import open_database
from headrace.core.errors import HeadraceError
from headrace.training.runs import RegisteredVersion, RunKind, RunStart, RunStore, SnapshotRead


@pytest.fixture
def home(tmp_path):
    """Two pipeline runs and a study of twelve trials, one of which failed."""
    store = RunStore(open_database(tmp_path / "registry.db"))
    for number in range(2):
        with store.begin(RunStart(RunKind.PIPELINE, "flights", "late")) as run:
            run.parameters({"num_leaves": 15 + number, "seed": 0})
            run.metric("test.auc", 0.77 + number / 100, 0.76, 0.79, higher_is_better=True)
            run.tag("objective", "test.auc")
            run.curve("valid.auc", [(tree, tree / (tree + 5)) for tree in range(1, 101)])
            run.snapshot("flights", SnapshotRead("flights_accepted", 3 + number, f"{number}" * 64))
            run.version(RegisteredVersion("late", 1 + number, "f" * 64))
    with store.begin(RunStart(RunKind.TUNING, "flights", "churn", "study")) as study:
        for number in range(12):
            trial = study.child(RunKind.TRIAL, f"trial {number}")
            trial.parameters({"num_leaves": 4 * (number + 1), "rate": 0.1 / (number + 1)})
            if number == 5:
                trial.finish(failure="no memory", status=type(store.get(trial.id).status).FAILED)
                continue
            trial.metric("valid.auc", 0.7 + number / 100, higher_is_better=True)
            trial.finish()
    store.engine.dispose()
    return tmp_path


def headrace(*arguments, home):
    return CliRunner().invoke(app, ["runs", *map(str, arguments), "--home", str(home)], env={"COLUMNS": "300"})


def answer(*arguments, home):
    done = headrace(*arguments, "--json", home=home)
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def test_runs_are_listed_newest_first_without_trials(home):
    listed = answer("list", home=home)
    assert [run["kind"] for run in listed] == ["tuning", "pipeline", "pipeline"]
    assert listed[0]["children"] == 12
    assert len(answer("list", "--kind", "trial", home=home)) == 12
    assert len(answer("list", "--kind", "trial", "--status", "failed", home=home)) == 1
    assert [run["model"] for run in answer("list", "--model", "late", "--limit", 1, home=home)] == ["late"]
    shown = headrace("list", home=home).stdout
    assert "0.78 [0.76, 0.79]" in shown
    assert "late@2" in shown


def test_a_run_is_shown_with_a_drawing_of_its_curve(home):
    run = answer("list", "--kind", "pipeline", home=home)[0]["id"]
    shown = headrace("show", run[:10], home=home).stdout
    for part in (
        run,
        "num_leaves",
        "0.78 [0.76, 0.79]",
        "flights_accepted",
        "late@2",
        "100 points",
        "\u2581",
        "\u2588",
    ):
        assert part in shown
    assert answer("show", run, home=home)["curves"]["valid.auc"][-1] == [100.0, 100 / 105]


def test_two_runs_stand_side_by_side(home):
    runs = [run["id"] for run in answer("list", "--kind", "pipeline", home=home)]
    found = answer("compare", *runs, home=home)
    assert found["parameters"] == {"num_leaves": [16, 15]}
    assert found["metrics"]["test.auc"][0] == {"value": 0.78, "low": 0.76, "high": 0.79}
    assert found["best"] == runs[0]
    assert set(found["data"]) == {"flights"}
    shown = headrace("compare", *runs, home=home).stdout
    assert "version 4 (11111111)" in shown
    assert "the same in all: 1 parameters" in shown
    assert f"best by test.auc: {runs[0][:8]}" in shown


def test_a_study_stands_for_its_trials(home):
    study = answer("list", "--kind", "tuning", home=home)[0]["id"]
    shown = headrace("compare", study, home=home).stdout
    lines = shown.splitlines()
    assert "trial 11" in lines[1]
    assert "trial 5" in lines[12]
    assert len(answer("compare", study, home=home)["runs"]) == 12


@pytest.mark.slow
def test_the_page_of_a_comparison_is_written(home, tmp_path):
    study = answer("list", "--kind", "tuning", home=home)[0]["id"]
    done = headrace("compare", study[:6], "--html", tmp_path / "page.html", home=home)
    assert f"written: {tmp_path / 'page.html'}" in done.stdout
    assert "trial 11 is best of 12 runs" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "nobody"], "there is no run 'nobody'"),
        (["list", "--kind", "trail"], "--kind is 'trail'; allowed: pipeline, tuning, trial"),
        (["list", "--status", "done"], "allowed: running, finished, failed, killed"),
        (["mirror"], "there is no MLflow server to mirror to"),
        (["mirror", "--uri", "localhost"], "must be http://host"),
        (["mirror", "--uri", "http://127.0.0.1:9", "--patience", "0"], "127.0.0.1:9 does not answer"),
    ],
)
def test_what_is_wrong_is_told(home, arguments, says, monkeypatch):
    monkeypatch.delenv("HEADRACE_MLFLOW_URI", raising=False)
    done = headrace(*arguments, home=home)
    assert isinstance(done.exception, HeadraceError)
    assert says in done.exception.message


def test_a_run_alone_cannot_be_compared(home):
    run = answer("list", "--kind", "pipeline", home=home)[0]["id"]
    done = headrace("compare", run, home=home)
    assert "alone has nothing to be compared with" in done.exception.message


@pytest.mark.parametrize("command", ["list", "show", "compare", "mirror"])
def test_help_teaches(command):
    shown = CliRunner().invoke(app, ["runs", command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "--json" in shown.output
    assert "Example:" in shown.output
