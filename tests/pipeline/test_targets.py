"""Labels, weights and queries come from the spine as the definition says, or not at all."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.core.errors import DefinitionError, FailedCheckError
from headrace.features import EventTable, FeatureSet, column
from headrace.pipeline.targets import read_labels, read_queries, read_weights
from headrace.training import Model, TimeSplit

FLIGHTS = EventTable("flights", source=None, keys=["carrier"], event_time="departs_at")
SPINE = pa.table(
    {
        "delay": pa.array([10, None, 40, -3], pa.int64()),
        "share": pa.array([0.5, float("nan"), None, 2.0]),
        "outcome": ["late", "early", None, "late"],
        "grade": pa.array([0, 3, None, 1], pa.int64()),
        "origin": ["EWR", "JFK", "EWR", None],
        "hour": pa.array([1, 1, 1, 2], pa.int64()),
    }
)


@pytest.fixture
def define():
    features = FeatureSet("departures", spine=FLIGHTS, at="departs_at - 2h", features=[column("distance")])

    def make(target, **changes):
        split = TimeSplit(train="2013-09-01", valid="2013-11-01")
        return Model("late", features=features, target=target, split=split, **changes)

    return make


@pytest.mark.parametrize(
    ("target", "changes", "labels"),
    [
        (column("delay") > 15, {}, [False, None, True, False]),
        (column("delay"), {"objective": "regression"}, [10.0, None, 40.0, -3.0]),
        (column("share"), {"objective": "regression"}, [0.5, None, None, 2.0]),
        (column("outcome"), {"objective": "multiclass", "classes": ["early", "late"]}, [1, 0, None, 1]),
        (column("hour"), {"objective": "multiclass", "classes": [2, 1]}, [1, 1, 1, 0]),
        (column("grade"), {"objective": "lambdarank", "group_by": ["hour"]}, [0, 3, None, 1]),
    ],
)
def test_null_and_nan_are_no_label(define, target, changes, labels):
    found, labelled = read_labels(define(target, **changes), SPINE)
    known = [value is not None for value in labels]
    assert labelled.tolist() == known
    assert found[known].tolist() == [value for value in labels if value is not None]
    assert found.dtype.name in {"bool", "int64", "float64"}


@pytest.mark.parametrize(
    ("target", "changes", "text"),
    [
        (column("delay"), {}, "gives int64, which objective 'binary' does not learn from"),
        (column("outcome"), {"objective": "regression"}, "gives string, which objective 'regression'"),
        (column("share"), {"objective": "multiclass", "classes": [1, 2]}, "gives double"),
        (column("share"), {"objective": "lambdarank", "group_by": ["hour"]}, "gives double"),
    ],
)
def test_a_target_of_another_type_is_refused(define, target, changes, text):
    with pytest.raises(DefinitionError, match=text):
        read_labels(define(target, **changes), SPINE)


def test_a_class_that_the_model_does_not_name_is_refused_with_its_row(define):
    model = define(column("outcome"), objective="multiclass", classes=["early", "on time"])
    with pytest.raises(FailedCheckError, match=r"2 rows .* the first is 'late' in row 0"):
        read_labels(model, SPINE)


def test_weights_are_numbers_above_zero_where_there_is_a_label(define):
    labelled = np.array([True, False, False, True])
    assert read_weights(define(column("delay") > 1), SPINE, labelled) is None
    weighted = define(column("delay") > 1, weight=column("share"))
    assert read_weights(weighted, SPINE, labelled).tolist() == [0.5, 0.0, 0.0, 2.0]
    with pytest.raises(FailedCheckError, match=r"1 labelled rows .* the first is row 1"):
        read_weights(weighted, SPINE, np.array([True, True, False, True]))
    with pytest.raises(DefinitionError, match="gives string, not a number"):
        read_weights(define(column("delay") > 1, weight=column("origin")), SPINE, labelled)


def test_rows_are_of_one_query_where_all_its_columns_agree(define):
    model = define(column("grade"), objective="lambdarank", group_by=["origin", "hour"])
    queries = read_queries(model, SPINE)
    assert queries[0] == queries[2]
    assert len(set(queries.tolist())) == 3
    assert read_queries(define(column("delay") > 1), SPINE) is None
    with pytest.raises(DefinitionError, match="group_by of model 'late': the spine has no column 'originn'"):
        read_queries(define(column("grade"), objective="lambdarank", group_by=["originn"]), SPINE)
