"""What a model declares about its judgement is checked when it is declared, and is part of its definition."""

from __future__ import annotations

import pytest

import headrace as hr
from headrace.core.errors import DefinitionError


@pytest.fixture
def make_model():
    table = hr.EventTable("flights", hr.table("flights"), ["origin"], event_time="at", available_at="known")
    features = hr.FeatureSet("set", spine=table, at="at", row_id="id", features=[hr.request("distance")])

    def make(**changes):
        settings = {"target": hr.column("delay") > 15, "split": hr.TimeSplit("2013-09-01", "2013-11-01"), **changes}
        return hr.Model("late", features=features, **settings)

    return make


def test_columns_of_gates_are_judged_too(make_model):
    model = make_model(
        slice_by=["dest"],
        gates=[hr.NonInferior(by=["carrier"]), hr.SliceFloor("auc", "origin", 0.6), hr.Fair("sex")],
        sensitive=["age"],
    )
    assert set(model.slice_columns) == {"dest", "carrier", "origin"}
    assert model.sensitive_columns == ("age", "sex")


def test_what_is_declared_is_part_of_the_definition(make_model):
    plain = make_model().to_json()
    assert not {"calibration", "threshold", "sensitive"} & set(plain)
    told = make_model(calibration="platt", threshold=hr.CostThreshold(fp=1, fn=3), sensitive=["sex"]).to_json()
    assert told["calibration"] == "platt"
    assert "cuda_graph" not in told
    assert make_model(cuda_graph=False).to_json()["cuda_graph"] is False
    assert told["threshold"]["fn"] == 3
    assert told["sensitive"] == ["sex"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"calibration": "beta"}, "calibration 'beta' is not known; known: platt, isotonic"),
        ({"calibration": "platt", "objective": "regression"}, "calibration is for binary models"),
        ({"threshold": hr.CostThreshold(), "objective": "regression"}, "for binary models"),
        ({"sensitive": ["sex"], "objective": "regression"}, "for binary models"),
    ],
)
def test_what_a_task_cannot_have_is_refused(make_model, changes, text):
    with pytest.raises(DefinitionError, match=text):
        make_model(**changes)
