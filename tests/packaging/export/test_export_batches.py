"""A row's answer depends on the row: not on its batch, not on its place in it."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from headrace.packaging.export import export_lightgbm, export_raw_score

KINDS = {
    "binary": {"objective": "binary", "rounds": 150},
    "sloped": {"objective": "binary", "sigmoid": 0.7, "rounds": 20},
    "multiclass": {"objective": "multiclass", "num_class": 7, "rounds": 20},
    "poisson": {"objective": "poisson", "rounds": 20},
    "cross_entropy_lambda": {"objective": "cross_entropy_lambda", "rounds": 20},
    "linear": {"linear_tree": True, "rounds": 10},
}


@pytest.mark.slow
@pytest.mark.parametrize("export", [export_lightgbm, export_raw_score])
@pytest.mark.parametrize("kind", KINDS)
def test_batch_size_changes_no_bit(kind, export, table, train, hostile_rows):
    """One row alone and any split into batches give the bits of the whole, with one thread."""
    values, signal = table()
    label = {
        "binary": signal > 0,
        "sloped": signal > 0,
        "multiclass": np.digitize(signal, [-2, -1, 0, 0.5, 1, 2]),
        "poisson": np.exp(0.2 * signal),
        "cross_entropy_lambda": 1 / (1 + np.exp(-signal)),
        "linear": signal,
    }[kind]
    booster = train(dict(KINDS[kind]), values, label.astype(float))
    rows = hostile_rows(booster.model_to_string(), 1500)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(export(booster), options, providers=["CPUExecutionProvider"])
    whole = session.run(None, {"features": rows})[0]
    for size in (1, 2, 3, 7, 8, 49, 50, 51, 64, 127, 128, 129, 1024):
        parts = [session.run(None, {"features": rows[i : i + size]})[0] for i in range(0, len(rows), size)]
        assert np.array_equal(np.concatenate(parts), whole, equal_nan=True), f"batches of {size}"
