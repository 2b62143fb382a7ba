"""Fitting a plan: the training rows alone decide, whichever way they are named and in whatever order they come."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from headrace.core.errors import InvalidInputError
from headrace.features.definition.durations import TimeOffset
from headrace.features.definition.encoders import clipped, frequency, hashed, imputed, one_hot, ordinal, scaled
from headrace.features.definition.expressions import StateColumn, column, query_time
from headrace.features.encoding.fitting import fit_plan
from headrace.features.plan import EncoderStep, FeaturePlan, FeatureSpec
from headrace.features.views import StateView


@pytest.fixture
def tables():
    """Eight orders over four days; prices of products as states; the last two rows are not for training."""
    day_us = 86_400_000_000
    moment = pa.timestamp("us", "UTC")
    return {
        "orders": pa.table(
            {
                "at": pa.array([day * day_us for day in (1, 1, 2, 2, 3, 3, 4, 4)], moment),
                "product": ["a", "b", "a", None, "c", "a", "z", "z"],
                "amount": [1.0, 2.0, None, 4.0, math.nan, 6.0, 1e9, -1e9],
            }
        ),
        "prices": pa.table(
            {
                "product": ["a", "a", "b"],
                "since": pa.array([0, 2 * day_us, 0], moment),
                "group": ["cheap", "dear", "cheap"],
            }
        ),
    }


def plan_of(*encoders):
    """A plan of encoders over orders, as the planner makes it."""
    compiled = [encoder.specs() for encoder in encoders]
    return FeaturePlan(
        name="orders",
        spine="orders",
        at=TimeOffset("at", 0),
        row_id=None,
        columns={
            "orders": {"amount": "float64", "at": "timestamp", "product": "string"},
            "prices": {"group": "string", "product": "string", "since": "timestamp"},
        },
        event_views={},
        state_views={"prices": PRICES},
        features=tuple(
            FeatureSpec(name, "encoded", "float32", text, EncoderStep(spec.name, part))
            for spec, parts in compiled
            for name, part, text in parts
        ),
        encoders={spec.name: spec for spec, _ in compiled},
    )


PRICES = StateView("prices", "prices", ("product",), "since", 0)
TRAINING = np.arange(8) < 6


def test_a_plan_is_fitted_to_the_training_rows_alone(tables):
    plan = plan_of(one_hot("product", max_categories=3), imputed("amount", "mean"), hashed("product"))
    assert not plan.is_fitted
    fitted_plan = fit_plan(plan, tables, rows=TRAINING)
    assert fitted_plan.is_fitted
    assert fitted_plan.encoders["product_one_hot"].fitted == {"categories": ["a", "b", "c"]}
    assert fitted_plan.encoders["amount_imputed"].fitted == {"fill": 3.25}
    assert fitted_plan.encoders["product_hashed"].fitted == {}
    assert fitted_plan.digest != plan.digest
    assert FeaturePlan.from_json(json.loads(json.dumps(fitted_plan.to_json()))) == fitted_plan


def test_positions_a_mask_an_own_spine_and_another_row_order_fit_the_same_plan(tables):
    plan = plan_of(ordinal("product"), scaled("amount"))
    expected = fit_plan(plan, tables, rows=TRAINING).digest
    assert fit_plan(plan, tables, rows=np.array([5, 0, 3, 1, 4, 2])).digest == expected
    backwards = tables["orders"].take(list(range(7, -1, -1)))
    assert fit_plan(plan, {**tables, "orders": backwards}, rows=TRAINING[::-1].copy()).digest == expected
    spine = tables["orders"].slice(0, 6)
    assert fit_plan(plan, tables, rows=np.ones(6, np.bool_), spine=spine).digest == expected
    again = fit_plan(fit_plan(plan, tables, rows=~TRAINING), tables, rows=TRAINING)
    assert again.digest == expected


def test_encoders_read_expressions_and_states_as_of_the_query_time(tables):
    group = StateColumn(PRICES, "group", ("product",), None)
    plan = plan_of(
        frequency(group.named("group")), scaled(query_time().hours_since_epoch().named("hour")),
        ordinal((column("amount") > 1.5).named("large")),
    )  # fmt: skip
    found = fit_plan(plan, tables, rows=TRAINING).encoders
    assert found["group_frequency"].fitted == {"categories": ["cheap", "dear"], "counts": [2, 2], "rows": 4, "nulls": 2}
    assert found["hour_scaled"].fitted["center"] == 48.0
    assert found["large_ordinal"].fitted == {"categories": [False, True]}


def test_a_plan_with_nothing_to_learn_is_itself(tables):
    plan = plan_of(hashed("product"), one_hot("product", categories=["a"]), clipped("amount", low=0, absolute=True))
    assert plan.is_fitted
    assert fit_plan(plan, tables, rows=TRAINING) is plan


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones(7, np.bool_), "the spine has 8 rows"),
        (np.zeros(8, np.bool_), "chooses no row"),
        (np.array([], np.int64), "chooses no row"),
        (np.array([1, 1]), "twice"),
        (np.array([8]), "outside"),
        (np.array([-1]), "outside"),
        (np.array([0.5]), "bool mask or row positions"),
    ],
)
def test_rows_that_are_no_rows_are_refused(tables, rows, message):
    with pytest.raises(InvalidInputError, match=message):
        fit_plan(plan_of(ordinal("product")), tables, rows=rows)


def test_fitting_needs_the_spine(tables):
    with pytest.raises(InvalidInputError, match="reads table 'orders'"):
        fit_plan(plan_of(ordinal("product")), {"order": tables["orders"]}, rows=TRAINING)
