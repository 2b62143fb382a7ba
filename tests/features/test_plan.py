"""Plans: checked against the tables, pure data, one digest, and readable for as long as the format lives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headrace.features as hr
from headrace.core.errors import CorruptedError, DefinitionError, InvalidInputError
from headrace.core.hashing import digest_json

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


def test_the_golden_plan_of_format_version_2_reads_the_same_for_ever(plan):
    """A failure here means plans in released packages change their meaning: raise the format version instead."""
    golden = json.loads((GOLDEN / "plan-v2.json").read_text())
    assert hr.FeaturePlan.from_json(golden).to_json() == golden
    assert plan.to_json() == golden
    assert plan.digest == (GOLDEN / "plan-v2.digest").read_text().strip()


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
