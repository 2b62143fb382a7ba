"""A second graph is exact, or refused, or left out with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.core.errors import FailedCheckError
from headrace.packaging.export import (
    SecondGraph,
    TensorReport,
    export_lightgbm,
    export_tensors,
    make_second_graph,
    second_graph,
    verify_tensors,
)
from headrace.packaging.export.tensors import splits


@pytest.fixture(scope="module")
def booster(table, train):
    values, signal = table()
    values[:, 0] = np.random.default_rng(0).integers(0, 50, len(values))
    label = (signal + np.cos(17 * values[:, 0]) > 0).astype(float)
    return train({"objective": "binary", "rounds": 10}, values, label, categorical_feature=[0])


def test_a_second_graph_is_made_and_held_against_the_first(booster, hostile_rows, run):
    """The bytes are the exporter's, and every row was asked at most once a graph."""
    model, rows = export_lightgbm(booster), hostile_rows(booster.model_to_string(), 5000)
    asked = []

    def counted(graph, chunk):
        asked.append(len(chunk))
        return run(graph, chunk)

    assert make_second_graph(booster, model, rows, run=counted) == SecondGraph(export_tensors(booster))
    assert asked == [second_graph.VERIFIED_ROWS] * 6


@pytest.mark.parametrize("count", [0, 1, 100])
def test_few_rows_are_all_compared(count, booster, hostile_rows, run):
    """Nothing is asked for that is not there."""
    rows = hostile_rows(booster.model_to_string(), 100)[:count]
    assert make_second_graph(booster, export_lightgbm(booster), rows, run=run).reason == ""


def test_a_graph_that_differs_is_refused(booster, hostile_rows, run):
    """One bit in one leaf value is enough."""
    rows = hostile_rows(booster.model_to_string(), 200)

    def wrong(graph, chunk):
        answer = run(graph, chunk)
        is_tensors = b"TreeEnsemble" not in graph
        return np.nextafter(answer, np.inf) if is_tensors and answer.dtype == np.float64 else answer

    with pytest.raises(FailedCheckError, match="0 leaves, 200 raw scores and 0 predictions differ"):
        make_second_graph(booster, export_lightgbm(booster), rows, run=wrong)


def test_what_cannot_be_written_has_a_reason(booster, run, monkeypatch):
    """The package is made without it."""
    monkeypatch.setattr(splits, "FLAGS_LIMIT", 10)
    made = make_second_graph(booster, export_lightgbm(booster), np.zeros((1, 8), np.float32), run=run)
    assert made.model is None
    assert "look-up tables" in made.reason


def test_another_models_tensors_are_found_out(booster, hostile_rows, run):
    """Predictions of fewer trees differ; leaves and raw scores are this model's own."""
    rows = hostile_rows(booster.model_to_string(), 300)
    other = export_tensors(booster, num_iteration=3)
    report = verify_tensors(booster, export_lightgbm(booster), other, rows, run=run)
    assert (report.rows, report.leaves, report.raw_scores) == (300, 0, 0)
    assert report.predictions > 250
    assert not report.is_exact
    assert TensorReport(5, 0, 0, 0).is_exact
