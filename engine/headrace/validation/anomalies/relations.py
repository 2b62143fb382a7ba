"""How columns hang together: rank correlations that broke, and a column that gives the label away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headrace.validation.anomalies.distributions import Test
from headrace.validation.anomalies.measuring import Measured, finite
from headrace.validation.anomalies.reference import TableReference
from headrace.validation.anomalies.settings import AnomalySettings
from headrace.validation.anomalies.significance import same_correlation
from headrace.validation.findings import Finding

_GIVEN_AWAY = 0.98


def relations(old: TableReference, new: Measured, settings: AnomalySettings) -> Iterator[Test]:
    """Every pair of numeric columns whose rank correlation can be compared, changed or not."""
    rows = min(20_000, new.sample.height)
    numbers = {column.name for column in old.columns if column.numbering}
    old_rows = min(20_000, old.rows)
    for a, b, before in old.correlations:
        now = new.correlations.get((a, b))
        if now is None or a in numbers or b in numbers:
            continue
        p_value = same_correlation(now, rows, before, old_rows)
        message = (
            f"{a}, {b}: their rank correlation is {now:.2f}, {before:.2f} in the reference; "
            "do the values still stand in the rows they belong to?"
        )
        effect = abs(now - before) / settings.correlation
        evidence = {"now": now, "then": before}
        yield Test(Finding("relation", f"{a}, {b}", message, effect, p_value, evidence), p_value)


def leakage(new: Measured, label: str) -> Iterator[Finding]:
    """Columns that say the label all but perfectly: they were probably made from it, or are known only after it.

    For a label of two values: area under the ROC curve of the column's values, or of the label's share by category.
    For others: rank correlation. From 0.99 (0.98 as Gini or correlation) on.

    Args:
        new: the table.
        label: a column of it; bool, numeric or string.
    """
    import polars as pl

    if label not in new.dtypes:
        return
    frame = new.sample.head(20_000).drop_nulls(label)
    target = frame.get_column(label)
    target = target.cast(pl.Float64) if new.dtypes[label] != "string" else target.rank("dense").cast(pl.Float64)
    if target.n_unique() < 2:
        return
    for name, dtype in new.dtypes.items():
        if name == label:
            continue
        scores = frame.get_column(name)
        if dtype == "string":
            if scores.n_unique() > 0.05 * frame.height:
                continue
            told = frame.with_columns(target.alias("__target"))
            scores = told.select(pl.col("__target").mean().over(name)).to_series()
        strength = _strength(scores, target)
        if strength >= _GIVEN_AWAY:
            message = (
                f"{name}: says the label {label} all but perfectly ({strength:.3f} of 1); was it made from the label, "
                "or is it known only afterwards?"
            )
            yield Finding(
                "leakage", name, message, strength / _GIVEN_AWAY, None, {"strength": strength, "label": label}
            )


def _strength(scores: object, target: object) -> float:
    """|2 AUC - 1| for two values of the target, |rank correlation| for more; over rows that have both."""
    import polars as pl

    assert isinstance(scores, pl.Series)
    assert isinstance(target, pl.Series)
    both = pl.DataFrame({"s": scores.to_physical().cast(pl.Float64), "t": target}).fill_nan(None).drop_nulls()
    if both.height < 50 or both.get_column("s").n_unique() < 2 or both.get_column("t").n_unique() < 2:
        return 0.0
    ranks = finite(both.get_column("s").rank())
    values = finite(both.get_column("t"))
    if both.get_column("t").n_unique() > 2:
        order = finite(both.get_column("t").rank())
        return abs(float(np.corrcoef(ranks, order)[0, 1]))
    positive = values == values.max()
    hits, misses = int(positive.sum()), int((~positive).sum())
    auc = (float(ranks[positive].sum()) - hits * (hits + 1) / 2) / (hits * misses)
    return abs(2 * auc - 1)
