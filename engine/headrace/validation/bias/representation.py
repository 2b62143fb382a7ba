"""Who is in the table: the groups of a sensitive column, their shares, and how often each has the label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.validation.bias.intervals import difference_interval, rate_interval
from headrace.validation.findings import Finding

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

SMALLEST = 200
_FOUR_FIFTHS = 0.8
_MOST_GROUPS = 200
MISSING = "(missing)"


@dataclass(frozen=True)
class Group:
    """One value of a sensitive column, or of several together.

    Attributes:
        name: the value as text; values of several columns joined by " / "; a missing value is "(missing)".
        rows: rows of the group.
        share: of all rows, and its 95 % interval (Wilson).
        share_low: lower end.
        share_high: upper end.
        labelled: rows of the group whose label is known.
        positives: rows of the group with the label.
        rate: `positives / labelled`; None without labels.
        rate_low: lower end of its 95 % interval (Wilson).
        rate_high: upper end.
        difference: rate minus the rate of all other groups together; None without labels on both sides.
        difference_low: lower end of its 95 % interval (Newcombe), not corrected for the number of groups.
        difference_high: upper end.
        small: fewer rows than are needed to say anything.
    """

    name: str
    rows: int
    share: float
    share_low: float
    share_high: float
    labelled: int = 0
    positives: int = 0
    rate: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    small: bool = False


@dataclass(frozen=True)
class Representation:
    """Groups of one sensitive column (or of several together), largest first.

    Attributes:
        column: its name, several joined by ", ".
        label: the label's name; empty without one.
        groups: at most 200; rarer values are together in the last one.
        findings: small groups, label rates that differ, expected shares that are not met.
    """

    column: str
    label: str
    groups: tuple[Group, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {
            "column": self.column,
            "label": self.label,
            "groups": [asdict(group) for group in self.groups],
            "findings": [finding.to_json() for finding in self.findings],
        }


def representation(
    table: pa.Table | pl.DataFrame,
    columns: str | tuple[str, ...],
    *,
    label: pl.Expr | None = None,
    expected: Mapping[str, float] | None = None,
    smallest: int = SMALLEST,
) -> Representation:
    """Count the groups of a sensitive column, with intervals.

    Args:
        table: any rows.
        columns: the sensitive column, or several that are looked at together.
        label: a Boolean Polars expression; a row where it is null has no label. None: only counts.
        expected: shares by group that the table ought to have, of a census for example.
        smallest: groups with fewer rows are named as small, and their label rate alarms nobody.

    Raises:
        DefinitionError: the table lacks a column.
    """
    import polars as pl

    frame = table if isinstance(table, pl.DataFrame) else pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    for name in names:
        if name not in frame.columns:
            raise DefinitionError(
                f"the sensitive column '{name}' is not in the table", hint=did_you_mean(name, frame.columns)
            )
    parts = [pl.col(name).cast(pl.String).fill_null(MISSING) for name in names]
    group = pl.concat_str(parts, separator=" / ").alias("group")
    known = pl.lit(None, pl.Boolean) if label is None else label
    counted = (
        frame.select(group, known.alias("label"))
        .group_by("group")
        .agg(rows=pl.len(), labelled=pl.col("label").count(), positives=pl.col("label").sum())
        .sort(["rows", "group"], descending=[True, False])
    )
    rows = [(str(name), int(n), int(seen), int(hits or 0)) for name, n, seen, hits in counted.iter_rows()]
    if len(rows) > _MOST_GROUPS:
        rest = rows[_MOST_GROUPS - 1 :]
        sums = (sum(row[1] for row in rest), sum(row[2] for row in rest), sum(row[3] for row in rest))
        rows = [*rows[: _MOST_GROUPS - 1], (f"({len(rest):,} rarer values)", *sums)]
    groups = tuple(_group(row, rows, smallest) for row in rows)
    spoken = "" if label is None else str(label.meta.output_name(raise_if_undetermined=False) or "label")
    column = ", ".join(names)
    findings = [*_small(column, groups, smallest), *_rates(column, groups), *_expected(column, groups, expected or {})]
    return Representation(column, spoken, groups, tuple(findings))


def _group(row: tuple[str, int, int, int], rows: list[tuple[str, int, int, int]], smallest: int) -> Group:
    name, count, labelled, positives = row
    total = sum(other[1] for other in rows)
    low, high = rate_interval(count, total)
    rate = positives / labelled if labelled else None
    rate_low, rate_high = rate_interval(positives, labelled) if labelled else (None, None)
    others = sum(other[2] for other in rows) - labelled
    other_positives = sum(other[3] for other in rows) - positives
    difference = difference_low = difference_high = None
    if labelled and others:
        difference = positives / labelled - other_positives / others
        difference_low, difference_high = difference_interval(positives, labelled, other_positives, others)
    return Group(
        name, count, count / total, low, high, labelled, positives, rate, rate_low, rate_high,
        difference, difference_low, difference_high, count < smallest,
    )  # fmt: skip


def _small(column: str, groups: tuple[Group, ...], smallest: int) -> list[Finding]:
    small = [group for group in groups if group.small]
    if not small or len(groups) < 2:
        return []
    named = ", ".join(f"{group.name} ({group.rows:,})" for group in small[-5:])
    more = f", and {len(small) - 5} more" if len(small) > 5 else ""
    message = f"{column}: {len(small)} of {len(groups)} groups have fewer than {smallest:,} rows: {named}{more}"
    return [Finding("small_group", column, message, 1.0, None, {"groups": [group.name for group in small]})]


def _rates(column: str, groups: tuple[Group, ...]) -> list[Finding]:
    """Lowest against highest label rate among groups that are large enough: the four-fifths rule, beyond chance."""
    judged = [group for group in groups if group.rate is not None and not group.small]
    if len(judged) < 2:
        return []
    low = min(judged, key=lambda group: group.rate or 0.0)
    high = max(judged, key=lambda group: group.rate or 0.0)
    assert low.rate is not None
    assert high.rate is not None
    # Bonferroni over the pairs that the extremes were chosen from.
    confidence = 1 - 0.05 / (len(judged) * (len(judged) - 1) / 2)
    start, end = difference_interval(high.positives, high.labelled, low.positives, low.labelled, confidence=confidence)
    ratio = low.rate / high.rate if high.rate else 1.0
    if ratio >= _FOUR_FIFTHS or start <= 0:
        return []
    message = (
        f"{column}: {low.name} has the label in {low.rate:.1%} of its rows, {high.name} in {high.rate:.1%}; "
        f"ratio {ratio:.2f}, below four fifths; difference {high.rate - low.rate:.1%} [{start:.1%}, {end:.1%}]"
    )
    evidence = {"lowest": low.name, "highest": high.name, "ratio": ratio}
    return [Finding("label_rate", column, message, _FOUR_FIFTHS / max(ratio, 1e-9), None, evidence)]


def _expected(column: str, groups: tuple[Group, ...], expected: Mapping[str, float]) -> list[Finding]:
    found = {group.name: group for group in groups}
    total = sum(group.rows for group in groups)
    wrong = []
    for name, share in expected.items():
        group = found.get(name)
        low, high = (group.share_low, group.share_high) if group else rate_interval(0, total)
        now = group.share if group else 0.0
        if not low <= share <= high and now < _FOUR_FIFTHS * share:
            message = f"{column}: {name} makes {now:.1%} of the rows [{low:.1%}, {high:.1%}], {share:.1%} are expected"
            wrong.append(Finding("representation", column, message, share / max(now, 1e-9), None, {"group": name}))
    return wrong
