"""Plans: checked against the tables, pure data, one digest, and readable for as long as the format lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace.features as hr
from headrace.core.errors import CorruptedError, DefinitionError, InvalidInputError
from headrace.core.hashing import digest_json
from headrace_kernels.arrays import Statistic

GOLDEN = Path(__file__).parent / "golden"


def test_a_plan_survives_json_with_its_digest(plan):
    again = hr.FeaturePlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert again.digest == plan.digest
    assert hash(again) == hash(plan)
    assert again.to_json() == plan.to_json()


def test_the_digest_says_when_a_definition_changes(feature_set, schemas, plan):
    assert hr.compile_plan(feature_set, schemas).digest == plan.digest
    other = hr.FeatureSet("departures", spine=feature_set.spine, at="departs_at - 3h", features=feature_set.features)
    assert hr.compile_plan(other, schemas).digest != plan.digest
    assert plan.without({"window"}).digest != plan.digest


def test_the_golden_plan_of_format_version_1_means_the_same_for_ever(feature_set, schemas):
    """A failure here means plans in released packages change their meaning."""
    golden = json.loads((GOLDEN / "plan-v1.json").read_text())
    assert digest_json(golden) == (GOLDEN / "plan-v1.digest").read_text().strip()
    assert hr.FeaturePlan.from_json(golden).to_json() == hr.compile_plan(feature_set, schemas).to_json()


def test_the_golden_plan_of_format_version_2_reads_the_same_for_ever(payments_plan):
    """A failure here means plans in released packages change their meaning: raise the format version instead."""
    golden = json.loads((GOLDEN / "plan-v2.json").read_text())
    again = hr.FeaturePlan.from_json(golden)
    assert again.to_json() == golden
    assert payments_plan.to_json() == golden
    assert payments_plan.digest == (GOLDEN / "plan-v2.digest").read_text().strip()
    assert {spec.name: spec.digest for spec in (*again.features, *again.intermediates)} == json.loads(
        (GOLDEN / "plan-v2.features.json").read_text()
    )


def test_a_version_1_plan_computes_the_same_bits(plan, tables, equal):
    golden = hr.FeaturePlan.from_json(json.loads((GOLDEN / "plan-v1.json").read_text()))
    assert equal(hr.compute(golden, tables).values, hr.compute(plan, tables).values)


def test_digests_are_the_same_in_another_process(payments_plan):
    """Hash seeds, set order and import order play no part."""
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('payments', sys.argv[1]);"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module);"
        "print(module.compile_payments().digest)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(GOLDEN.parent / "payments_world.py")],
        env={**os.environ, "PYTHONHASHSEED": "123"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == payments_plan.digest


def test_the_digest_of_a_feature_covers_its_value_and_not_its_name_or_neighbours(payments_plan, payments_world):
    payments = payments_world.payments
    digests = {spec.name: spec.digest for spec in payments_plan.features}
    assert len(set(digests.values())) == len(digests)
    alone = payments_plan.only(["ratio"])
    assert alone.features[0].digest == digests["ratio"]

    def digest_of(feature, at="paid_at"):
        chosen = hr.FeatureSet("other", spine=payments(), at=at, features=[feature])
        return hr.compile_plan(chosen, payments_world.SCHEMAS).features[0].digest

    def mean(**changes):
        return hr.windows(payments(**changes), by="card", over="60m", values={"amount": [hr.Mean()]}, prefix="renamed")

    same = hr.windows(payments(), by="card", over="1h", values={"amount": [hr.Mean()]})
    assert digest_of(same) == digest_of(mean())
    assert digest_of(mean(name="other", source=hr.table("payments"))) == digest_of(mean())
    changed = [
        digest_of(mean(delay="1m")),
        digest_of(mean(resolution=2**-3)),
        digest_of(mean(event_time="known_at")),
        digest_of(mean(sequence=None)),
        digest_of(mean(), at="paid_at + 1h"),
        digest_of(hr.windows(payments(), by="card", over="1h", values={"amount": [hr.Mean(nan="skip")]})),
        digest_of(hr.windows(payments(), by="card", over="1h", values={"amount": [hr.Mean(empty=0)]})),
        digest_of(hr.windows(payments(), by="card", over="1h", values={"amount": [hr.Mean()]}, closed="both")),
    ]
    assert len({*changed, digest_of(mean())}) == len(changed) + 1


def test_a_feature_read_by_others_changes_their_digest(payments_world):
    def ratio(width):
        events = payments_world.payments()
        counts = hr.windows(events, by="card", over=width, values={None: [hr.Count()]}, prefix="recent")
        more = (hr.feature(f"recent_count_{width}") + 1).named("more")
        return payments_world.compile_payments([counts, more]).feature("more")

    assert ratio("1h").digest != ratio("2h").digest
    assert ratio("1h").digest == ratio("60m").digest


def test_a_plan_of_some_features_keeps_only_what_they_read(payments_plan):
    ratio = payments_plan.only(["ratio"])
    assert ratio.feature_names == ("ratio",)
    assert {(spec.name, spec.dtype) for spec in ratio.intermediates} == {
        ("all_count_1h", "float32"), ("card_status_ok_count_1h", "float32"),
    }  # fmt: skip
    assert set(ratio.columns) == {"payments"}
    assert not ratio.state_views
    assert not ratio.encoders
    again = hr.FeaturePlan.from_json(json.loads(json.dumps(ratio.to_json())))
    assert again == ratio
    assert again.only(["ratio"]) == ratio
    encoded = payments_plan.only(["amount_scaled"])
    assert list(encoded.encoders) == ["amount_scaled"]
    assert not encoded.event_views
    assert encoded.columns == {"payments": {"amount": "float64", "id": "string", "paid_at": "timestamp"}}
    assert payments_plan.only(payments_plan.feature_names) == payments_plan
    with pytest.raises(InvalidInputError, match="has no feature 'ration'"):
        payments_plan.only(["ration"])


def test_without_windows_nothing_reads_one(payments_plan):
    kept = payments_plan.without({"window"})
    assert "ratio" not in kept.feature_names
    assert {"odd", "km", "amount_scaled", "cards_age_hours"} <= set(kept.feature_names)
    assert not kept.event_views
    assert not kept.intermediates


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_features_in_any_order_have_the_same_digests_and_survive_json(payments_world, data):
    """What a feature is does not depend on its neighbours, nor a pruned plan on what was pruned."""
    everything = payments_world.make_payments_set().features
    ratio = next(entry for entry in everything if getattr(entry, "name", "") == "ratio")
    chosen = data.draw(st.lists(st.sampled_from([e for e in everything if e is not ratio]), min_size=1, unique_by=id))
    plan = payments_world.compile_payments(data.draw(st.permutations(chosen)))
    golden = json.loads((GOLDEN / "plan-v2.features.json").read_text())
    assert all(spec.digest == golden[spec.name] for spec in plan.features)
    again = hr.FeaturePlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    names = data.draw(st.lists(st.sampled_from(plan.feature_names), min_size=1, unique=True))
    some = plan.only(names)
    assert set(some.feature_names) == set(names)
    assert all(spec.digest == golden[spec.name] for spec in some.features)
    assert hr.FeaturePlan.from_json(some.to_json()) == some


def test_the_documented_plan_is_one():
    text = (Path(__file__).parents[2] / "docs" / "formats" / "feature-plan.md").read_text()
    data = json.loads(text.split("```json\n")[1].split("```")[0])
    plan = hr.FeaturePlan.from_json(data)
    assert plan.to_json() == data
    for statistic in Statistic:
        assert f"`{statistic.name.lower()}`" in text


def test_equal_intermediates_are_one(payments_world):
    frequencies = [hr.frequency_encoding(payments_world.payments(), by=key) for key in ("shop", "card")]
    plan = payments_world.compile_payments(frequencies)
    assert [spec.name for spec in plan.intermediates] == [
        "shop_frequency_ever.count", "shop_frequency_ever.overall_count", "card_frequency_ever.count",
    ]  # fmt: skip


def test_a_plan_knows_whether_its_encoders_are_fitted(payments_plan, plan):
    assert plan.is_fitted
    assert not payments_plan.is_fitted
    fitted = {name: replace(encoder, fitted={}) for name, encoder in payments_plan.encoders.items()}
    assert replace(payments_plan, encoders=fitted).is_fitted
    assert replace(payments_plan, encoders=fitted).digest != payments_plan.digest


def test_another_format_or_version_is_refused(plan):
    data = plan.to_json()
    with pytest.raises(CorruptedError, match="format version 3 is not known: this release reads 1 and 2"):
        hr.FeaturePlan.from_json({**data, "format_version": 3})
    with pytest.raises(CorruptedError, match="no feature plan"):
        hr.FeaturePlan.from_json({"format": "something"})
    for damage in ("spine", "features", "event_views"):
        with pytest.raises(CorruptedError, match="damaged"):
            hr.FeaturePlan.from_json({name: value for name, value in data.items() if name != damage})
    broken = json.loads(json.dumps(data))
    del broken["features"][0]["step"]["span"]
    with pytest.raises(CorruptedError, match="damaged"):
        hr.FeaturePlan.from_json(broken)
    circle = json.loads(json.dumps(data))
    circle["features"][0]["step"] = {"kind": "expression", "expression": {"feature": circle["features"][0]["name"]}}
    with pytest.raises(CorruptedError, match="circle"):
        hr.FeaturePlan.from_json(circle)


def test_names_roles_and_needs_are_what_a_user_would_guess(plan):
    roles = {feature.name: feature.role for feature in plan.features}
    assert roles["origin_arr_delay_mean_1h"] == "window"
    assert roles["origin_arr_delay_share_above_15_2d"] == "window"
    assert roles["origin_count_6h"] == "window"
    assert roles["known_arr_delay_max_1h"] == "window"
    assert roles["weather_temp"] == "state"
    assert roles["departs_at_hour_sin"] == "calendar"
    assert roles["distance"] == "request"
    assert roles["aircraft_age"] == "derived"
    assert set(plan.tables_needed) == {"flights", "weather", "planes"}
    assert plan.tables_needed["weather"] == ["observed_at", "origin", "temp", "visib"]
    assert all(feature.description and feature.dtype == "float32" for feature in plan.features)
    assert len(set(plan.feature_names)) == len(plan.feature_names)


def test_roles_can_be_left_out(plan):
    kept = plan.without({"window", "state"})
    assert {feature.role for feature in kept.features} == {"calendar", "request", "derived"}
    with pytest.raises(DefinitionError, match="'windows' is no feature role"):
        plan.without({"windows"})
    with pytest.raises(DefinitionError, match="holds none"):
        plan.without({"window", "state", "calendar", "request", "derived"})


def test_an_unknown_feature_names_the_nearest(plan):
    with pytest.raises(InvalidInputError) as caught:
        plan.feature("distances")
    assert caught.value.hint == "did you mean 'distance'?"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["flights"].pop("arr_delay"), "column 'arr_delay', which table 'flights' does not have"),
        (lambda s: s.pop("planes"), "table 'planes', which is not there"),
        (lambda s: s["flights"].update(departs_at="string"), "column 'departs_at' of 'flights', a string"),
        (lambda s: s["flights"].update(fuel="string"), "column 'fuel' of 'flights', a string"),
        (lambda s: s["flights"].update(tailnum="int64"), "key 'tailnum' of table 'planes' is a string"),
        (lambda s: s["flights"].update(origin="float64"), "column 'origin' of 'flights', a float64"),
        (lambda s: s["weather"].update(temp="timestamp"), "column 'temp' of 'weather', a timestamp"),
        (lambda s: s["flights"].update(charter="int64"), "combines a bool and a int64"),
        (lambda s: s["planes"].update(year="string"), "combines a int64 and a string"),
        (lambda s: s["flights"].update(distance="string"), "feature 'distance' is a string"),
    ],
)
def test_what_does_not_fit_the_tables_is_an_error_of_the_definition(feature_set, schemas, change, message):
    change(schemas)
    with pytest.raises(DefinitionError, match=message):
        hr.compile_plan(feature_set, schemas)


def test_two_features_with_one_name_are_refused(feature_set, schemas):
    twice = hr.FeatureSet("x", spine=feature_set.spine, at="departs_at", features=[hr.request("distance")] * 2)
    with pytest.raises(DefinitionError, match="two features of 'x' are named 'distance'"):
        hr.compile_plan(twice, schemas)


def test_two_tables_with_one_name_are_refused(schemas):
    one = hr.EventTable("flights", keys=["origin"], event_time="departs_at")
    other = hr.EventTable("flights", keys=["origin"], event_time="arrives_at")
    counts = {None: [hr.Count()]}
    features = [
        hr.windows(one, by="origin", over="1h", values=counts),
        hr.windows(other, by="origin", over="2h", values=counts),
    ]
    with pytest.raises(DefinitionError, match="two different event tables are named 'flights'"):
        hr.compile_plan(hr.FeatureSet("x", spine=one, at="departs_at", features=features), schemas)
