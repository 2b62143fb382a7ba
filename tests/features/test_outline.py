"""Outlines: what a plan does once, as data, text and a drawing."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest

import headrace.features as hr
from headrace.features.executor.evaluation import evaluate
from headrace.features.planning.subexpressions import SharedValues


@pytest.fixture
def outline(payments_plan):
    return payments_plan.outline()


def test_features_that_share_a_key_and_a_condition_share_a_block(outline, payments_plan):
    blocks = {(block.view, block.by, block.where): block for block in outline.blocks}
    assert len(blocks) == len(outline.blocks)
    mine = blocks["payments", ("card",), ""]
    assert [extent.label for extent in mine.extents] == [
        "1mo", "calendar_14d", "week_to_date", "last_5", "session_30m", "ever",
    ]  # fmt: skip
    assert mine.columns == ("amount",)
    scans = mine.extents[0].scans
    assert [(scan.reads, scan.statistics) for scan in scans] == [("amount", ("mean",)), ("events", ("count",))]
    windows = [name for block in outline.blocks for name in block.features]
    assert len(windows) == len(set(windows))
    assert {name for name in windows if not name.split(".")[0].endswith(("rate_1h", "rate_per_1m_90m"))} >= {
        "all_count_1h", "right_count_1h", "own_amount_sum_1h", "shop_target_ever.sum",
    }  # fmt: skip
    assert set(payments_plan.feature_names) > {"ratio", "odd"} == set(outline.expressions) & {"ratio", "odd"}


def test_what_is_shared_is_counted(payments_world):
    counts = hr.windows(
        payments_world.payments(), by="card", over=["1h", "60m", "2h"],
        values={None: [hr.Count()], "amount": [hr.Mean(), hr.Std()]},
    )  # fmt: skip
    outline = payments_world.compile_payments([counts, hr.as_of(payments_world.CARDS, ["limit", "lat"])]).outline()
    assert outline.shared == {"sorts": (1, 9), "bounds": (2, 9), "scans": (4, 9), "matches": (1, 2)}
    assert (outline.n_features, outline.n_steps) == (11, 8)  # an hour is sixty minutes
    assert outline.bytes_per_row == 11 * 4
    assert outline.bytes_per_event == {"payments": 28}


def test_the_text_says_what_is_done_once(outline):
    text = outline.text()
    assert "risk  73 features and 8 intermediates of payments at paid_at" in text
    assert "\n  payments by card where (status == 'failed'): " in text
    assert "      amount: sum, mean, var, std," in text
    assert "decayed_mean(6h)" in text
    assert "\n  cards on card, at most 30d old: limit\n" in text
    assert all(len(line) < 400 and line == line.rstrip() for line in text.splitlines())


def test_the_drawing_is_one_svg_document_with_every_scan(outline):
    root = ET.fromstring(outline.svg())  # noqa: S314  # our own text
    assert root.tag.endswith("svg")
    drawn = "".join(root.itertext())
    for block in outline.blocks:
        assert block.view in drawn
    assert "window values from" in drawn
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width
        assert float(box.attrib["y"]) + float(box.attrib["height"]) <= height


def test_the_data_is_json(outline):
    data = json.loads(json.dumps(outline.to_json()))
    assert data["bytes_per_row"] == outline.bytes_per_row
    assert data["shared"]["sorts"]["done"] == len(outline.blocks)


def test_an_operation_in_several_places_is_computed_once(payments_world):
    ratio = (hr.column("amount") / hr.column("number")).log1p()
    features = [(ratio + 1).named("a"), (ratio * 2).named("b"), hr.scaled((ratio + 1).named("c"))]
    plan = payments_world.compile_payments(features)
    assert plan.outline().repeated == {"(log1p((amount / number)) + 1)": 2, "log1p((amount / number))": 2}
    assert "computed once" in plan.outline().text()

    asked = []

    def resolve(leaf):
        asked.append(leaf.name)
        return pa.array([1.0, 2.0])

    shared = SharedValues(plan)
    expressions = [*(spec.step.expression for spec in plan.features[:2]), *plan.encoders["c_scaled"].of]
    together = [evaluate(expression, resolve, 2, shared=shared) for expression in expressions]
    assert sorted(asked) == ["amount", "number"]
    assert not shared._values
    assert together == [evaluate(expression, resolve, 2) for expression in expressions]
