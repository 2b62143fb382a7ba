"""A threshold is chosen as an exhaustive search would, on scores as they are served."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError
from headrace.evaluation.decisions import flag
from headrace.evaluation.thresholds import (
    ConstrainedThreshold,
    CostThreshold,
    choose_threshold,
    threshold_json,
    worth_of,
)


def confusion(labels, scores, threshold):
    flags = flag(scores, threshold)
    cells = {"tp": flags & labels, "fp": flags & ~labels, "fn": ~flags & labels, "tn": ~flags & ~labels}
    return {name: cell.sum() for name, cell in cells.items()}


@pytest.fixture
def rows():
    rng = np.random.default_rng(8)
    scores = rng.beta(1.2, 3.0, 3_000)
    return rng.random(3_000) < scores, scores


rows_of = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.2 + 1e-12, 0.5, 0.9])), min_size=1, max_size=12
)


@settings(max_examples=200, deadline=None)
@given(rows_of, st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0, 3), st.floats(0, 3))
def test_no_threshold_earns_more_than_the_one_chosen_by_cost(drawn, fp, fn, tp, tn):
    labels, scores = np.array([label for label, _ in drawn]), np.array([score for _, score in drawn])
    rule = CostThreshold(fp=fp, fn=fn, tp=tp, tn=tn)
    worth = worth_of(rule, labels.size)
    chosen = choose_threshold(rule, labels, scores, worth).threshold

    def profit(threshold):
        return worth.of(labels, flag(scores, threshold)).sum()

    assert profit(chosen) >= max(profit(t) for t in [*scores.tolist(), np.inf]) - 1e-9


def test_on_calibrated_scores_the_threshold_is_where_a_false_alarm_costs_as_much_as_a_miss(rows):
    rng = np.random.default_rng(9)
    scores = rng.beta(1.2, 3.0, 400_000)
    labels = rng.random(400_000) < scores
    rule = CostThreshold(fp=1, fn=4)
    chosen = choose_threshold(rule, labels, scores, worth_of(rule, labels.size))
    assert chosen.threshold == pytest.approx(1 / 5, abs=0.03)


def test_amounts_weigh_rows(rows):
    labels, scores = rows
    amounts = np.where(scores > 0.5, 0.0, 1.0)
    rule = CostThreshold(fp=1, fn=1, amount="amount")
    worth = worth_of(rule, labels.size, amounts)
    flags = flag(scores, 0.2)
    missed = (~flags & labels & (amounts > 0)).sum()
    wrong = (flags & ~labels & (amounts > 0)).sum()
    assert worth.of(labels, flags).sum() == pytest.approx(-(missed + wrong))


@pytest.mark.parametrize(
    ("rule", "value", "beyond"),
    [
        (ConstrainedThreshold("precision", at_least=0.6), lambda c: c["tp"] / (c["tp"] + c["fp"]), "lower"),
        (ConstrainedThreshold("recall", at_least=0.8), lambda c: c["tp"] / (c["tp"] + c["fn"]), "higher"),
        (ConstrainedThreshold("false_positive_rate", at_most=0.1), lambda c: c["fp"] / (c["fp"] + c["tn"]), "lower"),
        (ConstrainedThreshold("selection_rate", at_most=0.05), lambda c: (c["tp"] + c["fp"]) / 3_000, "lower"),
    ],
)
def test_a_constraint_is_held_and_the_next_threshold_would_break_it(rows, rule, value, beyond):
    labels, scores = rows
    chosen = choose_threshold(rule, labels, scores)
    bound = rule.at_least if rule.rising else rule.at_most

    def holds(threshold):
        found = value(confusion(labels, scores, threshold))
        return found >= bound if rule.rising else found <= bound

    assert chosen.held
    assert holds(chosen.threshold)
    distinct = np.unique(scores.astype(np.float32)).astype(float)
    if rule.metric == "precision":
        assert not any(holds(t) for t in distinct[distinct < chosen.threshold])
    else:
        others = (
            distinct[distinct < chosen.threshold][-1:]
            if beyond == "lower"
            else distinct[distinct > chosen.threshold][:1]
        )
        assert not holds(others[0])


def test_a_constraint_that_no_row_can_hold_acts_on_nobody(rows):
    labels, scores = rows
    chosen = choose_threshold(ConstrainedThreshold("precision", at_least=1.0), np.zeros_like(labels), scores)
    assert not chosen.held
    assert chosen.threshold == np.inf
    assert not flag(scores, chosen.threshold).any()


def test_the_curve_ends_with_everybody_and_is_data(rows):
    labels, scores = rows
    rule = CostThreshold(fp=1, fn=3)
    curve = choose_threshold(rule, labels, scores, worth_of(rule, labels.size)).curve
    assert curve["threshold"][0] is None
    assert (curve["recall"][0], curve["recall"][-1]) == (0.0, 1.0)
    assert len(curve["profit"]) == 200
    assert curve["profit"][0] == pytest.approx(-3 * labels.mean())
    assert threshold_json(rule) == {"rule": "CostThreshold", "fp": 1, "fn": 3, "tp": 0.0, "tn": 0.0, "amount": ""}


@pytest.mark.parametrize(
    "make",
    [
        lambda: CostThreshold(fp=-1, fn=1),
        lambda: CostThreshold(fp=float("nan")),
        lambda: ConstrainedThreshold("auc", at_least=0.7),
        lambda: ConstrainedThreshold("recall"),
        lambda: ConstrainedThreshold("recall", at_most=0.5),
        lambda: ConstrainedThreshold("precision", at_least=1.5),
    ],
)
def test_rules_without_sense_are_refused(make):
    with pytest.raises(DefinitionError):
        make()
