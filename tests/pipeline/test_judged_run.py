"""A run that asks everything of its model: calibrated, decided on, fair, robust, and overridden where a gate fails."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from headrace.core.database import open_database
from headrace.packaging import Registry

pytestmark = pytest.mark.slow

PROJECT = """
import headrace as hr

source = hr.CsvSource(
    "visits.csv",
    {{"id": "string", "shop": "string", "group": "string", "at": "timestamp", "known": "timestamp",
      "amount": "float64", "risk": "float64", "bad": "int64"}},
)
visits = hr.EventTable("visits", source, ["shop"], event_time="at", available_at="known", resolution=2**-7)
features = hr.FeatureSet(
    "set", spine=visits, at="at", row_id="id",
    features=[
        hr.windows(visits, by="shop", over=["24h"], values={{"amount": [hr.Mean()], None: [hr.Count()]}}),
        hr.request("amount"), hr.request("risk"),
    ],
)
model = hr.Model(
    "bad", features=features, target=hr.column("bad") > 0,
    split=hr.TimeSplit(train="2024-03-01", valid="2024-03-20"),
    params={{"num_leaves": 15, "learning_rate": 0.1}}, rounds=60, early_stopping_rounds=10,
    calibration="{calibration}", threshold=hr.CostThreshold(fp=1, fn=4, amount="amount"), sensitive=["group"],
    gates=[
        hr.AtLeast("auc", {auc}), hr.NonInferior(by=["shop"], margin=0.01), hr.SliceFloor("auc", "shop", 0.55),
        hr.Fair("group", ratio_at_least=0.5), hr.AtThreshold("recall", at_least=0.05), hr.Calibrated(0.2),
        hr.Robust(0.45, against=["nulls", "noise", "delay"]),
    ],
    slice_by=["shop"], naive_by=["shop"],
)
project = hr.Project("shops", model=model, release=hr.Release(share=0.2, requests=200))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Visits to three shops from January to April; a calibrated risk decides with noise whether one goes bad."""
    rng = np.random.default_rng(61)
    rows = 16_000
    days = np.sort(rng.uniform(0, 100, rows))
    risk = rng.normal(size=rows)
    start_us = 1_704_067_200_000_000  # 2024-01-01 UTC
    at = pl.Series(start_us + (days * 86_400e6).astype(np.int64)).cast(pl.Datetime("us", "UTC"))
    place = tmp_path_factory.mktemp("shops")
    pl.DataFrame(
        {
            "id": [f"v{row}" for row in range(rows)],
            "shop": rng.choice(["north", "south", "east"], rows),
            "group": rng.choice(["x", "y"], rows),
            "at": at,
            "known": at + timedelta(hours=1),
            "amount": np.round(rng.gamma(2.0, 20.0, rows), 2),
            "risk": np.round(risk, 3),
            "bad": (rng.random(rows) < 1 / (1 + np.exp(1.2 - 1.5 * risk))).astype(int),
        }
    ).write_csv(place / "visits.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
    return place


def run(folder, *options, calibration="platt", auc=0.6):
    (folder / "project.py").write_text(PROJECT.format(calibration=calibration, auc=auc))
    return subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "run", ".", "--home", "home", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def first(folder):
    done = run(folder, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def evaluation_of(folder, reference):
    registry = Registry(open_database(folder / "home" / "registry.db"), folder / "home")
    return registry.load(reference), registry


def test_what_was_asked_travels_in_the_package(folder, first):
    package, _ = evaluation_of(folder, "bad@1")
    document = package.document("evaluation.json")
    assert document["threshold"]["rule"]["rule"] == "CostThreshold"
    assert 0 < document["threshold"]["value"] < 1
    assert document["decisions"]["threshold"] == document["threshold"]["value"]
    assert document["decisions"]["profit_over_nobody"]["low"] > 0
    assert document["fairness"]["group"]["disparities"]["selection_rate"]["ratio"]["value"] > 0.8
    assert {one["kind"] for one in document["robustness"]["damages"]} == {
        "nulls",
        "outliers",
        "dropped",
        "noise",
        "delay",
    }
    assert document["robustness"]["damages"][0]["feature"] == "risk"
    assert document["found_slices"]["judged"] > 0
    assert document["overconfident_slices"]["loss"].startswith("log loss beyond")
    assert document["absent"]["champion"].startswith("no champion of 'bad' is registered yet")
    assert document["training"]["calibrator"]["method"] == "platt"
    assert document["baselines"]["uncalibrated"]["calibration"]["bins"]
    assert all(verdict["reason"] for verdict in document["gates"]["verdicts"])


def test_the_second_version_keeps_the_first_one_s_threshold(folder, first):
    second, _ = evaluation_of(folder, "bad@2")
    one, _ = evaluation_of(folder, "bad@1")
    assert second.document("evaluation.json")["threshold"] == one.document("evaluation.json")["threshold"]


def test_served_scores_are_the_calibrated_ones(first):
    assert first["max_abs_diff_served"] <= 1e-7
    assert first["leaf_mismatches"] == 0


def test_a_failed_gate_registers_nothing_until_a_person_says_why(folder, first):
    before = len(evaluation_of(folder, "bad@1")[1].versions("bad"))
    done = run(folder, calibration="isotonic", auc=0.99)
    assert done.returncode != 0
    assert "'auc at least 0.99'" in done.stderr
    assert "--override" in done.stderr
    package, registry = evaluation_of(folder, "bad@1")
    assert len(registry.versions("bad")) == before
    empty = run(folder, "--override", "  ", calibration="isotonic", auc=0.99)
    assert empty.returncode != 0
    assert "needs a reason" in empty.stderr

    said = "the bound is for next year's model"
    done = run(folder, "--override", said, "--json", calibration="isotonic", auc=0.99)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert [one["gates"] for one in summary["gates_overridden"]] == [["auc at least 0.99"]] * 2
    assert summary["gates_overridden"][0]["reason"] == said
    package, registry = evaluation_of(folder, "bad@champion")
    document = package.document("evaluation.json")
    assert document["override"] == {"reason": said, "gates": ["auc at least 0.99"]}
    assert document["baselines"]["champion"]["improvement"]["auc"]["value"] is not None
    assert len(document["contests"]["champion"]["auc"]) == 3
    assert document["training"]["calibrator"]["method"] == "isotonic"
    assert f"Registered although auc at least 0.99 failed: {said}" in package.model_card
    moves = [move for move in registry.history("bad") if said in move.reason]
    assert moves
    assert "--override" in moves[0].actor
    again = run(folder, calibration="isotonic", auc=0.99)
    assert again.returncode != 0, "an override is for one run"
