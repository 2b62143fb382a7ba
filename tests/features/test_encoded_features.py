"""Encoders from the definition to the matrix: compiled, fitted to training rows, computed like every other feature."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import headrace.features as hr
from headrace.core.errors import DefinitionError
from headrace.data.types import table_dtypes

DAY_US = 86_400_000_000
N_ROWS, N_TRAINING = 300, 200


@pytest.fixture(scope="module")
def tables():
    """Orders in time, and groups of products that change."""
    random = np.random.default_rng(4)
    moment = pa.timestamp("us", "UTC")
    products = random.choice(list("abcdefg"), N_ROWS)
    return {
        "orders": pa.table(
            {
                "order_id": [f"o{row}" for row in range(N_ROWS)],
                "at": pa.array(np.arange(N_ROWS) * DAY_US // 10, moment),
                "product": pa.array(products, mask=random.random(N_ROWS) < 0.1),
                "channel": random.integers(0, 3, N_ROWS),
                "amount": pa.array(random.lognormal(size=N_ROWS), mask=random.random(N_ROWS) < 0.1),
                "gift": random.random(N_ROWS) < 0.3,
            }
        ),
        "groups": pa.table(
            {
                "product": list("abcabc"),
                "since": pa.array(np.repeat([0, 15], 3) * DAY_US, moment),
                "group": ["x", "x", "y", "z", "x", "y"],
            }
        ),
    }


@pytest.fixture(scope="module")
def plan(tables):
    orders = hr.EventTable("orders", hr.table("orders"), ["product"], event_time="at")
    groups = hr.StateTable("groups", hr.table("groups"), ["product"], valid_from="since")
    features = [
        hr.request("amount"),
        hr.one_hot("product", max_categories=3, other=True),
        hr.one_hot(groups["group"], categories=["x", "y"]),
        hr.ordinal("channel"),
        hr.frequency(hr.cross("product", "channel")),
        hr.hashed("product", buckets=16, null_category=True),
        hr.binned("amount", bins=4),
        hr.scaled("amount"),
        hr.scaled(hr.feature("amount_min_max")),
        hr.min_max("amount"),
        hr.imputed("amount"),
        hr.clipped((hr.column("amount") * 2).named("double"), low=None, high=3, absolute=True),
        (hr.feature("amount_imputed") + 1).named("amount_plus"),
    ]
    feature_set = hr.FeatureSet("orders", spine=orders, at="at", features=features, row_id="order_id")
    return hr.compile_plan(feature_set, {name: table_dtypes(table) for name, table in tables.items()})


@pytest.fixture(scope="module")
def fitted(plan, tables):
    return hr.fit_plan(plan, tables, rows=np.arange(N_ROWS) < N_TRAINING)


def test_a_plan_with_encoders_is_computed_after_fitting_and_not_before(plan, fitted, tables):
    with pytest.raises(DefinitionError, match="not fitted") as caught:
        hr.compute(plan, tables)
    assert "fit_plan" in caught.value.hint
    matrix = hr.compute(fitted, tables)
    assert matrix.names == plan.feature_names == fitted.feature_names
    assert matrix.values.shape == (N_ROWS, 18)


def test_columns_hold_what_their_definitions_say(fitted, tables):
    matrix = hr.compute(fitted, tables)
    orders = tables["orders"].to_pandas()
    training = orders[:N_TRAINING]
    top = training["product"].value_counts().sort_index().sort_values(ascending=False, kind="stable").index[:3]
    for rank, product in enumerate(top, start=1):
        expected = (orders["product"] == product).where(orders["product"].notna()).astype("float32")
        np.testing.assert_array_equal(matrix.column(f"product_top_{rank}"), expected)
    edges = np.sort(training["amount"].dropna())[[number * training["amount"].count() // 4 for number in (1, 2, 3)]]
    bins = np.where(orders["amount"].isna(), np.nan, np.searchsorted(edges, orders["amount"], side="right"))
    np.testing.assert_array_equal(matrix.column("amount_bin"), bins.astype(np.float32))
    scaled = (orders["amount"] - training["amount"].mean()) / training["amount"].std()
    np.testing.assert_allclose(matrix.column("amount_scaled"), scaled, rtol=1e-6)
    np.testing.assert_allclose(matrix.column("amount_min_max_scaled"), scaled, rtol=1e-4, atol=1e-5)
    filled = orders["amount"].fillna(training["amount"].median()).astype("float32")
    np.testing.assert_array_equal(matrix.column("amount_imputed"), filled)
    np.testing.assert_array_equal(matrix.column("amount_plus"), filled + np.float32(1))
    np.testing.assert_array_equal(matrix.column("amount_was_missing"), orders["amount"].isna())
    pairs = training["product"] + "|" + training["channel"].astype(str)
    share = (orders["product"] + "|" + orders["channel"].astype(str)).map(pairs.value_counts(normalize=True))
    expected = share.fillna(0.0).where(orders["product"].notna()).astype("float32")
    np.testing.assert_array_equal(matrix.column("product_channel_frequency"), expected)


def test_each_row_alone_has_the_bits_it_has_in_the_batch(fitted, tables):
    together = hr.compute(fitted, tables).values
    orders = tables["orders"]
    alone = [hr.compute(fitted, tables, spine=orders.slice(row, 1), threads=1).values for row in range(0, N_ROWS, 37)]
    assert np.concatenate(alone).tobytes() == together[::37].tobytes()


def test_rows_after_training_teach_nothing(plan, fitted, tables):
    """Only the first rows are looked at: whatever happens to the others, the fitted plan is the same."""
    orders = tables["orders"]
    other = orders.slice(0, N_TRAINING), orders.slice(N_TRAINING).take(np.random.default_rng(0).permutation(100)[:50])
    changed = {**tables, "orders": pa.concat_tables(other)}
    rows = np.arange(changed["orders"].num_rows) < N_TRAINING
    assert hr.fit_plan(plan, changed, rows=rows) == fitted


def test_a_part_of_a_plan_is_fitted_as_the_whole(plan, fitted, tables):
    """An encoder of another encoder's feature is fitted after it, also where that feature is not of the matrix."""
    part = plan.only(["amount_min_max_scaled"])
    assert [spec.name for spec in part.intermediates] == ["amount_min_max"]
    part = hr.fit_plan(part, tables, rows=np.arange(N_ROWS) < N_TRAINING)
    assert part == fitted.only(["amount_min_max_scaled"])
    whole = hr.compute(fitted, tables).column("amount_min_max_scaled")
    assert hr.compute(part, tables).values[:, 0].tobytes() == whole.tobytes()


def test_a_fitted_plan_survives_its_json_form(fitted, tables):
    again = hr.FeaturePlan.from_json(fitted.to_json())
    assert again == fitted
    assert hr.compute(again, tables).values.tobytes() == hr.compute(fitted, tables).values.tobytes()


def test_numbers_are_no_categories_and_strings_no_numbers(tables):
    orders = hr.EventTable("orders", hr.table("orders"), ["product"], event_time="at")
    schemas = {name: table_dtypes(table) for name, table in tables.items()}
    for encoder in (hr.one_hot("amount"), hr.scaled("product")):
        with pytest.raises(DefinitionError):
            hr.compile_plan(hr.FeatureSet("orders", spine=orders, at="at", features=[encoder]), schemas)
