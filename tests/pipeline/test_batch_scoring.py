"""Scoring whole tables with a package alone: the same scores from the CPU and from a device."""

from __future__ import annotations

import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace.features as hr
from headrace.core.database import open_database
from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.data.types import table_dtypes
from headrace.features.device import DeviceMode, Devices
from headrace.packaging import PackageContents, Registry, Signature, build_package
from headrace.packaging.export import export_lightgbm
from headrace.pipeline.batch_scoring import BatchJob, score_tables
from headrace.pipeline.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parents[1] / "kernels" / "devices"))
from emulated_device import COMPILER, EmulatedDevice

N = 400
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workspace with a model over windows, the file of the table it reads, and what LightGBM makes of it."""
    home = tmp_path_factory.mktemp("batch")
    rng = np.random.default_rng(3)
    events = pa.table(
        {
            "id": [f"e{row}" for row in range(N)],
            "shop": pa.array(rng.integers(0, 9, N), pa.int64()),
            "at": pa.array(np.sort(rng.integers(0, 500, N)) * HOUR_US, pa.timestamp("us", "UTC")),
            "amount": np.round(rng.normal(50, 20, N), 2),
        }
    )
    pq.write_table(events, home / "events.parquet")
    table = hr.EventTable("events", keys=["shop"], event_time="at")
    values = {"amount": [hr.Mean(), hr.Std(), hr.Max()], None: [hr.Count()]}
    features = hr.FeatureSet(
        "set", spine=table, at="at", row_id="id",
        features=[hr.windows(table, by="shop", over=["2d", "7d"], values=values), hr.request("amount")],
    )  # fmt: skip
    plan = hr.compile_plan(features, {"events": table_dtypes(events)})
    matrix = hr.compute(plan, {"events": events})
    labels = (matrix.values[:, 0] > 50).astype(int)
    booster = lgb.train({"objective": "binary", "num_leaves": 7, "verbose": -1}, lgb.Dataset(matrix.values, labels), 20)
    engine = open_database(home / "registry.db")
    registry = Registry(engine, home)
    contents = PackageContents(
        name="late", model=export_lightgbm(booster), plan=plan.to_json(), schema={},
        signature=Signature.of_matrix(plan.feature_names), baseline={}, evaluation={}, lineage={}, sbom={},
        model_card="",
    )  # fmt: skip
    registry.register("late", build_package(home / "built", contents).path)
    engine.dispose()
    return home, booster.predict(matrix.values)


def score(home, name, **changes):
    job = BatchJob("late@1", home / name, (f"events={home / 'events.parquet'}",), **changes)
    return score_tables(Workspace(home), job), pq.read_table(home / name)


def test_scores_are_the_models_in_the_spines_order(place):
    home, expected = place
    told, scores = score(home, "cpu.parquet")
    assert scores.column_names == ["id", "query_time", "score", "model_version"]
    assert scores["id"].to_pylist() == [f"e{row}" for row in range(N)]
    assert np.abs(scores["score"].to_numpy() - expected).max() < 1e-6
    assert (told["rows"], told["features"], told["placements"]) == (N, 9, [])


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the emulator cannot be built")
@pytest.mark.parametrize("keep_matrix", [True, False], ids=["matrix stays", "matrix goes up"])
def test_a_device_gives_the_same_scores(place, keep_matrix):
    home, _ = place
    _, scores = score(home, "cpu.parquet")
    device = EmulatedDevice()
    told, found = score(home, "device.parquet", devices=Devices(DeviceMode.CUDA, (device,), keep_matrix=keep_matrix))
    assert found.equals(scores)
    assert told["scored_on"] == "cuda_forest on emulated 0"
    assert [each["device"] for each in told["placements"]] == ["cuda"]


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the emulator cannot be built")
def test_a_device_that_fails_leaves_the_scores_to_the_cpu(place):
    home, _ = place
    _, scores = score(home, "cpu.parquet")
    told, found = score(home, "device.parquet", devices=Devices(DeviceMode.CUDA, (EmulatedDevice(lost_after=30),)))
    assert found.equals(scores)
    assert "cuda" not in told["scored_on"]


def test_what_is_missing_is_said_and_nothing_is_written(place):
    home, _ = place
    with pytest.raises(NotFoundError, match="no table 'events'"):
        score_tables(Workspace(home), BatchJob("late@1", home / "none.parquet"))
    with pytest.raises(InvalidInputError, match="not end in"):
        score_tables(Workspace(home), BatchJob("late@1", home / "none.csv"))
    with pytest.raises(InvalidInputError, match="not NAME=FILE"):
        score_tables(Workspace(home), BatchJob("late@1", home / "none.parquet", ("events",)))
    assert not list(home.glob("*none*"))
