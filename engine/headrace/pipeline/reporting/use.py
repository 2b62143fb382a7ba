"""The report's parts about using the model."""

from __future__ import annotations

from typing import Any

from headrace.evaluation.measures import higher_is_better
from headrace.pipeline.report.model import (
    Damage,
    DataPart,
    DataStudy,
    Decisions,
    Effect,
    Effects,
    Fairness,
    Folds,
    GroupRate,
    Measure,
    Robustness,
    WeakSlice,
    WeakSlices,
)
from headrace.pipeline.reporting.quality import estimate

SELECTION_RATE = "selection_rate"


def decisions(judged: dict[str, Any]) -> Decisions | None:
    """What follows at the threshold; None where none was declared."""
    chosen, found = judged.get("threshold"), judged.get("decisions")
    if not chosen or not found:
        return None
    rule = chosen["rule"] or {}
    asked = rule.get("metric", "profit")
    curve = chosen["curve"]
    points = zip(curve.get("threshold", ()), curve.get(asked, ()), strict=True)
    return Decisions(
        threshold=chosen["value"],
        rule=_rule_words(rule, held=chosen["held"]),
        asked=asked,
        curve=tuple((at, value) for at, value in points if at is not None and value is not None),
        figures=tuple((name, estimate(figure)) for name, figure in found["figures"].items()),
    )


def fairness(judged: dict[str, Any]) -> tuple[Fairness, ...]:
    """One a sensitive column."""
    return tuple(_fairness(column, found) for column, found in judged.get("fairness", {}).items())


def weak_slices(judged: dict[str, Any], name: str = "found_slices") -> WeakSlices | None:
    """Slices nobody declared; None where they were not looked for."""
    found = judged.get(name)
    if not found:
        return None
    slices = (WeakSlice(one["slice"], one["rows"], one["share"], estimate(one["excess"])) for one in found["slices"])
    return WeakSlices(found["loss"], tuple(slices), found["judged"], found["rows"])


def robustness(judged: dict[str, Any]) -> Robustness | None:
    """Broken inputs; None where nothing was broken."""
    found = judged.get("robustness")
    if not found:
        return None
    metric = found["metric"]
    return Robustness(
        intact=found["intact"],
        rows=found["rows"],
        damages=tuple(Damage(one["name"], one["kind"], estimate(one["drop"])) for one in found["damages"]),
        measure=Measure(metric, bool(higher_is_better(metric))),
    )


def folds(trained: dict[str, Any]) -> Folds | None:
    """Walk-forward validation; None where no folds were declared."""
    found = trained["folds"]
    if not found:
        return None
    return Folds(
        values=tuple(fold["value"] for fold in found["folds"]),
        rows=tuple(fold["rows"]["train"] for fold in found["folds"]),
        measure=Measure(found["metric"], trained["higher_is_better"]),
    )


def effects(judged: dict[str, Any]) -> Effects | None:
    """Contributions of features; None where there are none."""
    found = judged["explanations"]
    if not found:
        return None
    features = (Effect(one["name"], one["mean_abs"], one["direction"]) for one in found["features"])
    return Effects(found["rows"], tuple(features))


def data_study(judged: dict[str, Any]) -> DataStudy | None:
    """What more rows would bring; None where it was not asked for."""
    found = judged["data_study"]
    if not found:
        return None
    metric = found["learning_curve"]["metric"]
    return DataStudy(
        curve=tuple(map(_part, found["learning_curve"]["points"])),
        months=tuple(map(_part, found["months"])),
        hints=tuple(found["hints"]),
        measure=Measure(metric, bool(higher_is_better(metric))),
    )


def _part(found: dict[str, Any]) -> DataPart:
    return DataPart(found["name"], found["rows"], found["value"], estimate(found["shortfall"]))


def _fairness(column: str, found: dict[str, Any]) -> Fairness:
    disparity = found["disparities"].get(SELECTION_RATE)
    return Fairness(
        column=column,
        groups=tuple(
            GroupRate(one["group"], one["rows"], estimate(one["figures"][SELECTION_RATE])) for one in found["groups"]
        ),
        ratio=estimate(disparity["ratio"]) if disparity else None,
        four_fifths=disparity["four_fifths"] if disparity else "open",
        insufficient=tuple(found["insufficient"]),
    )


def _rule_words(rule: dict[str, Any], *, held: bool) -> str:
    if not rule:
        return "Even odds: no rule is declared"
    if rule["rule"] == "CostThreshold":
        times = f", times {rule['amount']}" if rule["amount"] else ""
        return (
            f"Chosen for the highest profit: a hit brings {rule['tp']:g}, a false alarm costs {rule['fp']:g}, "
            f"a miss costs {rule['fn']:g}{times}"
        )
    bound = f"at least {rule['at_least']:g}" if rule["at_least"] is not None else f"at most {rule['at_most']:g}"
    missed = "" if held else ", which no threshold held"
    return f"Chosen to hold {rule['metric'].replace('_', ' ')} {bound}{missed}"
