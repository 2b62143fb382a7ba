"""What the model learned from, and how: features by gain, the metric by round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import FeatureImportance, Folds, LearningCurve, spelled
from headrace.pipeline.report.palette import KINDS, sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, corner_note, dot, guide, note, ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP = 25


def importance(features: tuple[FeatureImportance, ...]) -> Markup:
    """Draw the `TOP` features by gain share, coloured by role."""
    ranked = sorted(features, key=lambda feature: (-feature.gain_share, feature.name))
    top = ranked[:TOP]
    shares: dict[str, float] = {}
    for feature in features:
        role = feature.role or "other"
        shares[role] = shares.get(role, 0.0) + feature.gain_share
    roles = sorted(shares, key=lambda role: (-shares[role], role))
    colours = {role: KINDS[min(position, len(KINDS) - 1)] for position, role in enumerate(roles)}

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(feature.name, 24 if screen.narrow else 48) for feature in top])
        fills = [sentinel(colours[feature.role or "other"]) for feature in top]
        axes.barh(range(len(top)), [feature.gain_share for feature in top], 0.68, color=fills)
        for row, feature in enumerate(top):
            note(axes, numbers.percent(feature.gain_share), (feature.gain_share, row), Look(size=10), shift=(4, 0))
        for line, role in enumerate(roles):
            words = f"{clipped(role, 12)} {numbers.percent(shares[role], 0)}"
            place = (0.99, 0.05 + 0.05 * (len(roles) - 1 - line))
            corner_note(axes, words, place, Look(colours[role], "right", size=11.5, bold=True))
        axes.set_xlim(0, max([feature.gain_share for feature in top] + [1e-9]) * (1.35 if screen.narrow else 1.12))
        axes.set_xlabel("share of the total gain")
        ticks(axes.xaxis, 4 if screen.narrow else 8)
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.percent(value))

    first = ranked[0]
    title = f"{first.name} matters most, {numbers.percent(first.gain_share)} of the gain"
    if "window" in shares:
        title = f"Window features carry {numbers.percent(shares['window'], 0)} of the gain; {title}"
    covered = numbers.percent(sum(feature.gain_share for feature in top), 0)
    text = f"The first {len(top)} of {numbers.plural(len(features), 'feature')}, together {covered} of the gain."
    text += " Colour: where a feature comes from, with the gain of all features of that kind."
    alt = ", ".join(f"{feature.name} {numbers.percent(feature.gain_share)}" for feature in top[:10])
    caption = Caption(title, text, alt)
    return picture("p-importance", caption, paint, full=True, height=60 + 21 * len(top))


def learning_curve(curve: LearningCurve) -> Markup:
    """Draw the metric by boosting round, the kept round marked."""
    kept = max(1, min(curve.best_round, len(curve.valid)))
    best = curve.valid[kept - 1]
    metric = spelled(clipped(curve.metric, 24))

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        for colour, words, values in (("naive", "training", curve.train), ("model", "validation", curve.valid)):
            if not values:
                continue
            axes.plot(range(1, len(values) + 1), values, color=sentinel(colour), linewidth=1.8)
            note(axes, words, (len(values), values[-1]), Look(colour, "right", "top"), shift=(0, -5))
        dot(axes, (kept, best), "model")
        guide(axes, kept)
        axes.margins(x=0.02, y=0.12)
        axes.set_xlabel("boosting round")
        axes.set_ylabel(metric)

    rounds = numbers.plural(len(curve.valid), "round")
    title = f"Validation {metric} is best after {kept} of {rounds}: {numbers.metric(best, 4)}"
    end = "Training stopped early: nothing better came." if curve.stopped_early else "Training ran its full length."
    better = "higher" if curve.higher_is_better else "lower"
    text = f"{metric} after each round, {better} is better. Dashed: the round kept. {end}"
    alt = f"From {numbers.metric(curve.valid[0], 4)} in round 1 to {numbers.metric(best, 4)} in round {kept}"
    return picture("p-learning", Caption(title, text, alt), paint, height=290)


def folds(found: Folds) -> Markup:
    """Draw the figure of each walk-forward fold, oldest first."""
    metric = clipped(found.measure.title, 24)
    mean = sum(found.values) / len(found.values)

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        places = range(1, len(found.values) + 1)
        axes.plot(places, found.values, color=sentinel("model"), linewidth=1.2)
        for place, value in zip(places, found.values, strict=True):
            dot(axes, (place, value), "model")
        guide(axes, mean, level=True)
        axes.set_xticks(list(places))
        axes.margins(x=0.1, y=0.2)
        axes.set_xlabel("fold, oldest first")
        axes.set_ylabel(f"validation {metric}")

    low, high = numbers.amount(min(found.values)), numbers.amount(max(found.values))
    count = numbers.plural(len(found.values), "fold")
    title = f"{metric} lies between {low} and {high} over {count} in time order"
    least, most = numbers.count(found.rows[0]), numbers.count(found.rows[-1])
    text = f"Each fold learns from its past alone ({least} to {most} rows)."
    text += f" Dashed: their mean, {numbers.amount(mean)}."
    alt = ", ".join(numbers.amount(value) for value in found.values)
    return picture("p-folds", Caption(title, text, alt), paint, height=290)
