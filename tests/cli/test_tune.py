"""`headrace tune`: trials on a small project, a target that changes the winner, Ctrl-C, and what it says."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from headrace.training.tuning import tuned

pytestmark = pytest.mark.slow

PROJECT = """
import headrace as hr

source = hr.CsvSource(
    "orders.csv", {"id": "string", "shop": "string", "at": "timestamp", "known": "timestamp", "size": "float64",
                   "weight": "float64", "late": "int64"},
)
orders = hr.EventTable("orders", source, ["shop"], event_time="at", available_at="known")
features = hr.FeatureSet(
    "set", spine=orders, at="at", row_id="id", features=[hr.request("size"), hr.request("weight")],
)
late = hr.Model(
    "late", features=features, target=hr.column("late") > 0, split=hr.TimeSplit(train="2013-02-10", valid="2013-03-10"),
    params={"num_leaves": 2, "learning_rate": 0.3}, rounds=20, early_stopping_rounds=5,
)
project = hr.Project("orders", model=late, tuning=hr.Tuning(space={"num_leaves": hr.IntRange(4, 15)}, trials=6, jobs=1))
"""


@pytest.fixture
def project(tmp_path):
    """3,000 orders over three months whose lateness follows a product of two columns."""
    rng = np.random.default_rng(3)
    size, weight = rng.normal(size=(2, 3_000))
    late = rng.random(3_000) < 1 / (1 + np.exp(-3 * size * weight))
    at = np.datetime64("2013-01-01") + np.sort(rng.integers(0, 90 * 86_400, 3_000)).astype("timedelta64[s]")
    rows = zip(range(3_000), at, size, weight, late, strict=True)
    lines = [f"o{n},s{n % 3},{t}Z,{t + np.timedelta64(60, 's')}Z,{a:.6f},{b:.6f},{int(y)}" for n, t, a, b, y in rows]
    (tmp_path / "orders.csv").write_text("\n".join(["id,shop,at,known,size,weight,late", *lines]) + "\n")
    (tmp_path / "project.py").write_text(PROJECT)
    return tmp_path


def command(folder, *options):
    return [sys.executable, "-m", "headrace.cli.main", "tune", ".", "--home", "home", *options]


def tune(folder, *options):
    return subprocess.run(
        command(folder, *options), cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_a_tuning_tells_the_front_the_winner_and_what_it_is_worth(project):
    done = tune(project, "--html", "tuning.html")
    assert done.returncode == 0, done.stderr
    assert "6 trials in" in done.stdout
    assert "the front, best first" in done.stdout
    assert "test rows of 22 days" in done.stdout
    assert 'hr.tuned("tuned/late.json")' in done.stdout
    assert done.stderr == ""
    params = tuned(project / "tuned" / "late.json")
    assert params["bagging_freq"] == 1
    facts = json.loads((project / "tuned" / "late.json").read_text())["study"]
    assert facts["trials"] == 6
    assert facts["measured"]["latency_p99_us"] > 0
    page = (project / "tuning.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert "p-front" in page
    assert "p-history" in page

    again = tune(project, "--json")
    assert json.loads(again.stdout)["winner"]["params"] == params  # nothing was left to do

    bound = tune(project, "--json", "--size-kb", str(facts["measured"]["size_bytes"] / 1_000 - 0.001), "--trials", "2")
    assert bound.returncode == 0, bound.stderr
    found = json.loads(bound.stdout)
    assert found["winner"]["number"] != facts["trial"]
    assert found["winner"]["measured"]["size_bytes"] < facts["measured"]["size_bytes"]
    assert len(found["trials"]) == 8  # six were judged anew, not trained again

    none = tune(project, "--latency-us", "0.001", "--trials", "1")
    assert none.returncode == 6
    assert "no trial met the target (p99 0.001 us); the nearest was trial" in none.stderr

    text = (project / "project.py").read_text()
    own = '{"num_leaves": 2, "learning_rate": 0.3}'
    (project / "project.py").write_text(text.replace(own, 'hr.tuned("tuned/late.json")'))
    reads = tune(project, "--trials", "1", "--json")
    assert json.loads(reads.stdout)["trials"][0]["params"] == tuned(project / "tuned" / "late.json")


def test_ctrl_c_keeps_the_trials_and_the_command_goes_on(project):
    process = subprocess.Popen(
        command(project, "--trials", "300"), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and not list(project.glob("home/tuning/late/models/*/model.txt")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "trials, which are kept" in err
    assert "run the same command again: it goes on from here" in err
    assert "Traceback" not in err
    kept = int(out.split(" trials in")[0].split()[-1])
    assert kept >= 1
    assert not (project / "tuned").exists()
    again = tune(project, "--trials", str(kept + 1), "--json")
    assert len([one for one in json.loads(again.stdout)["trials"] if one["state"] != "failed"]) == kept + 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"num_leaves": hr.IntRange(4, 15)', '"num_leafs": hr.IntRange(4, 15)'), "LightGBM has no parameter"),
        (("IntRange(4, 15)", "IntRange(15, 4)"), "IntRange(15, 4) is empty"),
        (("trials=6", "latency_p99_us=-1"), "target latency_p99_us is -1"),
    ],
)
def test_a_tuning_that_cannot_be_is_refused_in_words(project, change, says):
    text = (project / "project.py").read_text()
    (project / "project.py").write_text(text.replace(*change))
    done = tune(project)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_help_imports_no_training_library():
    code = (
        "import sys\nfrom headrace.cli.main import app\nfrom typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['tune', '--help']).exit_code == 0\n"
        "print(sorted({'optuna', 'lightgbm', 'numpy', 'sqlalchemy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
