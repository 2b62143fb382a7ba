"""The second stage: declared checks, and the frozen reference where the project has one."""

import json

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.core.config import load_settings
from headrace.core.errors import FailedCheckError
from headrace.data import ArrowSource
from headrace.pipeline.context import RunContext
from headrace.pipeline.stages.ingest import IngestStage
from headrace.pipeline.stages.validate import ValidateStage
from headrace.pipeline.workspace import Workspace
from headrace.validation.anomalies import freeze

DAY_US = 86_400_000_000


def rides(factor=1.0, seed=0):
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "at": pa.array(np.sort(random.integers(0, 30 * DAY_US, 2_000)), pa.timestamp("us", "UTC")),
            "shop": pa.array(random.choice(["a", "b"], 2_000).tolist()),
            "minutes": random.gamma(3, 5, 2_000) * factor,
        }
    )


@pytest.fixture
def validated(tmp_path):
    def validate(table, *, schemas):
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        with pa.OSFile(str(folder / "rides.arrow"), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
        columns = {"at": "timestamp", "shop": "string", "minutes": "float64"}
        events = hr.EventTable("rides", ArrowSource(folder / "rides.arrow", columns), ["shop"], event_time="at")
        model = hr.Model(
            "late",
            features=hr.FeatureSet("set", spine=events, at="at", features=[hr.request("minutes")]),
            target=hr.column("minutes") > 30,
            split=hr.TimeSplit(train="1970-01-15", valid="1970-01-20"),
        )
        project = hr.Project("rides", model=model, schemas=schemas)
        context = RunContext(project, folder, Workspace(tmp_path / "home"), load_settings(home=tmp_path / "home"))
        stage = ValidateStage()
        context.records["ingest"] = type("Record", (), {"facts": IngestStage().run(context).facts})()
        return stage.run(context), stage.inputs(context)

    return validate


def freeze_to(folder, table):
    (folder / "project" / "reference").mkdir(parents=True)
    (folder / "project" / "reference" / "rides.json").write_text(json.dumps(freeze(table).to_json()))


def test_a_table_like_its_reference_passes_and_one_in_another_unit_warns(tmp_path, validated):
    freeze_to(tmp_path, rides())
    clean, _ = validated(rides(seed=1), schemas={})
    assert [check["status"] for check in clean.facts["checks"]] == ["passed"]
    outcome, _ = validated(rides(60, seed=1), schemas={"rides": hr.Schema([hr.Field("minutes", "float64")])})
    found = next(check for check in outcome.facts["checks"] if check["name"] == "unit_change")
    assert found["status"] == "warned"
    assert "60" in outcome.detail


def test_an_anomaly_stops_the_run_where_the_schema_says_so(tmp_path, validated):
    freeze_to(tmp_path, rides())
    stops = {"rides": hr.Schema([hr.Field("minutes", "float64")], anomalies="stop")}
    validated(rides(seed=1), schemas=stops)
    with pytest.raises(FailedCheckError, match="table 'rides': column 'minutes', unit_change"):
        validated(rides(60, seed=1), schemas=stops)


def test_the_stage_depends_on_the_reference(tmp_path, validated):
    _, without = validated(rides(), schemas={})
    freeze_to(tmp_path, rides())
    _, first = validated(rides(), schemas={})
    (tmp_path / "project" / "reference" / "rides.json").write_text(json.dumps(freeze(rides(seed=2)).to_json()))
    _, second = validated(rides(), schemas={})
    assert len({json.dumps(found, sort_keys=True) for found in (without, first, second)}) == 3
