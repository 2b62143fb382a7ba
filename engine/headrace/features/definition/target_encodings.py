"""Encodings of a category that follow time: only what was known at each row's query time takes part.

They are windows like any other, so nothing is fitted, no row sees its own label, and they cannot leak.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from headrace.core.errors import DefinitionError
from headrace.features.definition.expressions import Expression, FeatureColumn, NamedExpression
from headrace.features.definition.locations import caller_location, located_hint
from headrace.features.definition.spans import expanding
from headrace.features.definition.tables import EventTable
from headrace.features.definition.window_features import Over, WindowFeatures, WindowValue, windows
from headrace.features.definition.window_statistics import Aggregate, Count, CountNonNull, Mean, Sum
from headrace.features.plan import ExpressionStep, FeatureSpec
from headrace.features.planning.draft import Draft
from headrace.features.planning.window_planning import window_step


@dataclass(frozen=True, eq=False)
class TimeAwareEncoding:
    """A category replaced by what was known of its events; made by `target_encoding` and `frequency_encoding`.

    Attributes:
        own: the windows by the category.
        target: value that is averaged, or None for a frequency.
        smoothing: how many events the overall mean counts as.
        name: the feature's name.
    """

    own: WindowFeatures
    target: Expression | None
    smoothing: float
    name: str
    location: str = field(default_factory=caller_location, repr=False)


def target_encoding(  # noqa: PLR0913  # the parts of one sentence, all but its subject by keyword
    events: EventTable,
    *,
    by: str | Sequence[str],
    target: Expression | NamedExpression,
    smoothing: float = 20.0,
    over: Over | None = None,
    known_immediately: bool = False,
    on: str | Sequence[str] | None = None,
    name: str | None = None,
) -> TimeAwareEncoding:
    """Mean of a label for the row's category, of the labels known at q: the feature `<by>_target_<extent>`.

    The value is (sum + m * overall) / (count + m) with m = `smoothing` and `overall` the mean of all labels known at q
    in the same extent: a new category starts at the overall mean. Null where no label at all is known; null labels are
    skipped.

    Args:
        events: labelled events, with an `available_at` that says when the label was known.
        by: the columns that name the category.
        target: the label, an expression over the event row: a number or a condition.
        smoothing: how many events the overall mean counts as, from 0.
        over: an extent as in `windows`, by default everything so far.
        known_immediately: labels are known as soon as events happen; without it, a table that declares neither
            `available_at` nor a delay is refused.
        on: the spine's columns, where they have other names than `by`.
        name: another name for the feature.

    Raises:
        DefinitionError: labels would be known before they are, the smoothing is negative, or what `windows` raises.
    """
    location = caller_location()
    if isinstance(smoothing, bool) or not isinstance(smoothing, int | float) or not 0.0 <= smoothing < math.inf:
        raise DefinitionError(f"target_encoding(smoothing={smoothing!r}): a number from 0", hint=location)
    own = _own(events, by, over, on)
    if events.available_at is None and not own.events.view.delay_us and not known_immediately:
        raise DefinitionError(
            f"target_encoding over '{events.name}': the table does not say when a label becomes known",
            hint=located_hint(location, "declare available_at= or delay=, or say known_immediately=True"),
        )
    label = target.expression if isinstance(target, NamedExpression) else target
    if not isinstance(label, Expression):
        raise DefinitionError(
            f"target_encoding(target={target!r}): no expression",
            hint=located_hint(location, "for example hr.column('arr_delay') > 15"),
        )
    default = f"{own.prefix}_target_{own.over[0].label}"
    return TimeAwareEncoding(own, label, float(smoothing), name or default, location)


def frequency_encoding(
    events: EventTable,
    *,
    by: str | Sequence[str],
    over: Over | None = None,
    on: str | Sequence[str] | None = None,
    name: str | None = None,
) -> TimeAwareEncoding:
    """Share of the events visible at q that have the row's category: the feature `<by>_frequency_<extent>`.

    Null where no event at all is visible; 0 for a category that was never seen, or is null.

    Args:
        events: where events come from.
        by: the columns that name the category.
        over: an extent as in `windows`, by default everything so far.
        on: the spine's columns, where they have other names than `by`.
        name: another name for the feature.

    Raises:
        DefinitionError: what `windows` raises.
    """
    own = _own(events, by, over, on)
    default = f"{own.prefix}_frequency_{own.over[0].label}"
    return TimeAwareEncoding(own, None, 0.0, name or default, caller_location())


def _own(
    events: EventTable, by: str | Sequence[str], over: Over | None, on: str | Sequence[str] | None
) -> WindowFeatures:
    if not isinstance(by, str) and not by:
        raise DefinitionError("an encoding needs the columns of a category in by=", hint=caller_location())
    return windows(events, by=by, over=over if over is not None else expanding(), values={None: [Count()]}, on=on)


def plan_encoding(draft: Draft, entry: TimeAwareEncoding) -> Iterator[FeatureSpec]:
    """The feature of an encoding; the statistics it is made of become intermediates.

    Raises:
        DefinitionError: a column is missing or has another type.
    """
    view = draft.event_view(entry.own.events)
    for by, on in zip(entry.own.by, entry.own.on, strict=True):
        draft.same_key_kind(view.table, by, on)
    everyone = replace(entry.own, by=(), on=())
    who = f"{view.name} with the same {' and '.join(entry.own.on)}"
    if entry.target is None:
        own = _statistic(draft, entry, entry.own, "count", Count())
        overall = _statistic(draft, entry, everyone, "overall_count", Count())
        value, text = own / overall, f"share of {who} among all that are visible"
    else:
        total = _statistic(draft, entry, entry.own, "sum", Sum(empty=0.0))
        count = _statistic(draft, entry, entry.own, "count", CountNonNull())
        mean = _statistic(draft, entry, everyone, "overall_mean", Mean())
        value = (total + entry.smoothing * mean) / (count + entry.smoothing)
        text = f"mean of {entry.target} of {who}, as far as known, smoothed by {entry.smoothing:g} of all"
    yield FeatureSpec(entry.name, "window", "float32", text, ExpressionStep(value))


def _statistic(
    draft: Draft, entry: TimeAwareEncoding, windows_of: WindowFeatures, part: str, aggregate: Aggregate
) -> FeatureColumn:
    view, span = windows_of.events.view, windows_of.over[0].span
    value, dtypes = WindowValue("", (), ()), list[str]()
    if entry.target is not None:
        reader = f"the target of '{entry.name}'"
        dtypes = [draft.event_dtype(entry.target, view, reader)]
        if dtypes[0] not in {"int64", "float64", "bool"}:
            raise draft.error(f"{reader} is a {dtypes[0]}, neither a number nor a condition")
        value = WindowValue("target", (str(entry.target),), (entry.target,))
    step = window_step(windows_of, None, value, aggregate, span, dtypes)
    return draft.intermediate(f"{entry.name}.{part}", "window", f"{part.replace('_', ' ')} of '{entry.name}'", step)
