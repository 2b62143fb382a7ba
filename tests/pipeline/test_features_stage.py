"""The features stage fits encoders to the model's training rows, and says so in what it depends on."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.core.clock import SystemClock
from headrace.core.progress import SilentProgress
from headrace.data.types import table_dtypes
from headrace.features import FeaturePlan
from headrace.pipeline.dataset import MATRIX_FILE, PLAN_FILE
from headrace.pipeline.stages.features import FeaturesStage
from headrace.training import TimeSplit

DAY_US = 86_400_000_000
STAMP = pa.timestamp("us", "UTC")
ORDERS = pa.table(
    {
        "at": pa.array([day * DAY_US for day in (9, 0, 1, 2, 5, 7)], STAMP),
        "shop": ["late", "a", "b", "b", "valid", "test"],
        "amount": [1e9, 1.0, 2.0, 3.0, -5.0, 1e6],
        "returned": [False, True, False, True, True, False],
    }
)


@pytest.fixture
def context(tmp_path):
    """A run in which validation has just ended."""

    def make(*features, train="1970-01-05"):
        orders = hr.EventTable("orders", hr.table("orders"), ["shop"], event_time="at")
        declared = hr.FeatureSet("set", spine=orders, at="at - 1h", features=[hr.request("amount"), *features])
        split = TimeSplit(train=train, valid="1970-01-07")
        model = SimpleNamespace(features=declared, split=split, target=hr.column("returned"))
        used = {"orders": {"name": "orders", "version": 0, "columns": table_dtypes(ORDERS)}}
        return SimpleNamespace(
            project=SimpleNamespace(model=model),
            records={"validate": SimpleNamespace(facts={"tables": used})},
            store=SimpleNamespace(read=lambda *_, columns, **__: ORDERS.select(columns)),
            workspace=SimpleNamespace(features=tmp_path / "features"),
            settings=SimpleNamespace(threads=1, device="cpu"),
            progress=SilentProgress(),
            clock=SystemClock(),
        )

    return make


def test_encoders_learn_from_the_training_rows_and_nothing_else(context):
    run = context(hr.imputed("amount", "mean"), hr.one_hot("shop", max_categories=2))
    outcome = FeaturesStage().run(run)
    plan = FeaturePlan.from_json(json.loads((run.workspace.features / PLAN_FILE).read_text()))
    assert plan.encoders["amount_imputed"].fitted == {"fill": 2.0}
    assert plan.encoders["shop_one_hot"].fitted == {"categories": ["b", "a"]}
    assert outcome.facts["plan_digest"] == plan.digest
    matrix = np.load(run.workspace.features / MATRIX_FILE)
    assert matrix[:, plan.feature_names.index("shop_top_1")].tolist() == [0, 0, 1, 1, 0, 0]


def test_another_split_is_another_input_only_where_something_learns(context):
    stage, learning, plain = FeaturesStage(), hr.scaled("amount"), hr.hashed("shop")
    assert stage.inputs(context(learning)) != stage.inputs(context(learning, train="1970-01-03"))
    assert stage.inputs(context(plain)) == stage.inputs(context(plain, train="1970-01-03"))
