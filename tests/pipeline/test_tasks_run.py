"""A whole run of a small project on real flights for every kind of question that is not yes or no."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROJECT = """
import headrace as hr

source = hr.CsvSource(
    "flights.csv",
    {{"id": "string", "origin": "string", "carrier": "string", "due": "timestamp", "landed": "timestamp",
     "delay": "int64", "distance": "int64"}},
)
flights = hr.EventTable("flights", source, ["origin", "carrier"], event_time="due", available_at="landed", resolution=1)
landings = hr.EventTable(
    "landings", hr.table("flights"), ["origin", "carrier"], event_time="landed", available_at="landed", resolution=1
)
delay = hr.column("delay")
features = hr.FeatureSet(
    "set", spine=flights, at="due - 2h", row_id="id",
    features=[
        hr.windows(landings, by="origin", over=["3h", "24h"], values={{"delay": [hr.Mean()], None: [hr.Count()]}}),
        hr.cyclic("due", "hour", tz="America/New_York"), hr.request("distance"),
    ],
)
model = hr.Model(
    "delays", features=features, split=hr.TimeSplit(train="2013-03-01", valid="2013-03-20"),
    params={{"num_leaves": 15, "learning_rate": 0.1}}, rounds=40, early_stopping_rounds=10, slice_by=["origin"],
    {more}
)
project = hr.Project(
    "small", model=model, release=hr.Release(share=0.2, requests=100),
    schemas={{"flights": hr.Schema([hr.Field("id", "string", unique=True)])}},
)
"""
KINDS = {
    "quantile": ("pinball", """
        target=delay, objective="quantile", params={"alpha": 0.8}, naive_by=["carrier"], weight=hr.column("distance"),
        folds=hr.WalkForward(2, valid="10d"),
        gates=[hr.Improves("base_rate", "pinball"), hr.MaxGap("pinball", by="origin", gap=20)],
    """),
    "classes": ("log_loss", """
        target=hr.if_else(delay <= 0, 0, hr.if_else(delay <= 30, 1, 2)), objective="multiclass", classes=[0, 1, 2],
        gates=[hr.Improves("base_rate", "log_loss")],
    """),
    "ranking": ("ndcg@5", """
        target=hr.if_else(delay <= 0, 0, hr.if_else(delay <= 30, 1, 2)), objective="lambdarank", metric="ndcg@5",
        group_by=["origin", "carrier"], gates=[hr.AtLeast("ndcg@5", 0.2)],
    """),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_through_all_stages(tmp_path, small_flights, kind):
    metric, more = KINDS[kind]
    text = PROJECT.format(more=more)
    if "params={" in more:
        text = text.replace('params={"num_leaves": 15, "learning_rate": 0.1}, ', "")
    (tmp_path / "flights.csv").symlink_to(small_flights)
    (tmp_path / "project.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "run", ".", "--home", "home", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["metric"] == metric
    assert summary["leaf_mismatches"] == 0
    assert summary["max_abs_diff_served"] <= 2e-6
    assert abs(summary[f"{metric}_served"] - summary[f"{metric}_test"]) <= 1e-5
    page = (tmp_path / "home" / "report.html").read_text()
    assert "must not go into production" not in page
    assert "AUC" not in page
