"""A model's definition fails where it is written, and says what is allowed."""

from __future__ import annotations

import json

import pytest

from headrace.core.errors import DefinitionError
from headrace.evaluation import AtLeast, Improves, MaxGap
from headrace.features import EventTable, FeatureSet, column
from headrace.training import Model, TimeSplit

FLIGHTS = EventTable("flights", source=None, keys=["carrier"], event_time="departs_at")


@pytest.fixture
def define():
    features = FeatureSet("departures", spine=FLIGHTS, at="departs_at - 2h", features=[column("distance")])

    def make(**changes):
        given = {
            "name": "late",
            "features": features,
            "target": column("arr_delay") > 15,
            "split": TimeSplit(train="2013-09-01", valid="2013-11-01"),
            "gates": [AtLeast("auc", 0.7), MaxGap("auc", by="carrier", gap=0.1), Improves()],
        }
        return Model(**(given | changes))

    return make


def test_a_definition_gives_settings_and_json(define):
    model = define(params={"num_leaves": 31}, rounds=200, seed=5)
    assert model.settings(threads=2).rounds == 200
    body = json.loads(json.dumps(model.to_json()))
    assert body["settings"]["params"] == {"num_leaves": 31}
    assert [gate["gate"] for gate in body["gates"]] == ["AtLeast", "MaxGap", "Improves"]


def test_groups_of_the_gates_are_sliced_by_without_being_named_twice(define):
    assert define(slice_by=["origin", "carrier"]).slice_columns == ("origin", "carrier")
    assert define().slice_columns == ("carrier",)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "Late Flights"}, "model name 'Late Flights'"),
        ({"metric": "rmse"}, "no metric 'rmse'"),
        ({"gates": ["auc > 0.7"]}, "'auc > 0.7' is no gate; known: AtLeast, AtMost, MaxGap, Improves"),
        ({"params": {"verbosity": 1}}, "'verbosity' is set by Headrace"),
        ({"target": "arr_delay"}, "target must be an expression over columns"),
        ({"features": ["distance"]}, "features must be a FeatureSet"),
        ({"rounds": 0}, "rounds"),
        ({"objective": "regression"}, "a gate names metric 'auc', which objective 'regression' is not judged by"),
        ({"objective": "lambdarank", "gates": []}, "objective 'lambdarank' needs group_by"),
        ({"group_by": ["carrier"]}, "objective 'binary' has no use for group_by"),
        ({"objective": "multiclass", "gates": []}, "objective 'multiclass' needs at least two classes, not 1"),
        ({"classes": ["a", "b"]}, "objective 'binary' has no use for classes, not 2"),
        ({"objective": "multiclass", "gates": [], "classes": ["a", "a"]}, "a class is named twice"),
        ({"class_weight": {"late": 2.0}}, "class_weight: there is no class 'late'; known: \\[False, True\\]"),
        ({"objective": "lambdarank", "group_by": ["carrier"], "gates": [AtLeast("ndcg@3", 0.5)]}, "ndcg@10"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(define, changes, text):
    with pytest.raises(DefinitionError, match=text):
        define(**changes)
