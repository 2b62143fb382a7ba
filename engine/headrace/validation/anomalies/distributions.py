"""Each column's values against the reference's: how far they moved, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.validation.anomalies.measuring import Measured, binned, by_value
from headrace.validation.anomalies.reference import ColumnReference
from headrace.validation.anomalies.settings import AnomalySettings
from headrace.validation.anomalies.significance import same_distribution, same_rate
from headrace.validation.findings import Finding

_SHARES = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Test:
    """One test of one column: its finding counts if its p-value stands the correction and its effect is at least 1."""

    finding: Finding
    p_value: float


def compare(old: ColumnReference, new: Measured, settings: AnomalySettings) -> Iterator[Test]:
    """Every test of a column that both have with the same type, rejected or not: the correction needs them all."""
    yield _nulls(old, new, settings)
    if old.numeric and old.quantiles:
        yield from _numbers(old, new, settings)
    elif old.top and old.complete:  # of a part of the values, the most frequent are so by chance, too
        yield from _categories(old, new, settings)


def _nulls(old: ColumnReference, new: Measured, settings: AnomalySettings) -> Test:
    rows, nulls = new.frame.height, new.missing(old.name)
    now, before = nulls / max(1, rows), old.nulls / max(1, old.rows)
    p_value = same_rate(nulls, rows, old.nulls, old.rows)
    message = f"{old.name}: {now:.2%} of the values are missing, {before:.2%} in the reference"
    evidence = {"share": now, "reference": before}
    return Test(
        Finding("null_share", old.name, message, abs(now - before) / settings.null_share, p_value, evidence), p_value
    )


def _numbers(old: ColumnReference, new: Measured, settings: AnomalySettings) -> Iterator[Test]:
    values = new.values(old.name)
    if not len(values):
        return
    edges = np.array(old.edges)
    counts, reference = binned(values, edges), np.array(old.counts)
    p_value = same_distribution(counts, reference)
    distance = wasserstein(new.percentiles(old.name), np.array(old.quantiles)) / scale(old)
    stability = population_stability(counts, reference)
    effect = max(distance / settings.wasserstein, stability / settings.psi)
    middle = float(new.percentiles(old.name)[50])
    message = (
        f"{old.name}: the distribution moved, by {distance:.2f} standard deviations (PSI {stability:.2f}); "
        f"median {middle:g}, {old.quantiles[50]:g} in the reference"
    )
    pictured = histograms(old, values, new.percentiles(old.name)) if effect >= 1 else {}
    evidence = {"wasserstein": distance, "psi": stability, **pictured}
    yield Test(Finding("distribution", old.name, message, effect, p_value, evidence), p_value)


def _categories(old: ColumnReference, new: Measured, settings: AnomalySettings) -> Iterator[Test]:
    found = new.by_value(old.name)
    before = dict(old.top)
    names = sorted(before)
    counts = np.array([found.get(name, 0) for name in names])  # values never seen are another finding
    reference = np.array([before[name] for name in names])
    if not counts.sum():
        return
    p_value = same_distribution(*_ordered(counts, reference))
    moved = 0.5 * float(np.abs(counts / counts.sum() - reference / reference.sum()).sum())
    noise = _moved_by_chance(reference / reference.sum(), int(counts.sum()), int(reference.sum()))
    shifts = {name: found.get(name, 0) / counts.sum() - before[name] / reference.sum() for name in names}
    most = max(shifts, key=lambda name: abs(shifts[name]), default="")
    message = (
        f"{old.name}: the shares of its values moved, {moved:.1%} of the rows; most of all {most!r}: "
        f"{found.get(most, 0) / counts.sum():.1%}, {before.get(most, 0) / reference.sum():.1%} in the reference"
    )
    open_vocabulary = old.once > 0.5 * len(before)  # identifiers: every sample has others
    effect = 0.0 if open_vocabulary else max(0.0, moved - noise) / settings.moved_share
    evidence = _shares(found, before)
    yield Test(Finding("distribution", old.name, message, effect, p_value, evidence), p_value)
    yield from _vanished(old, found, evidence)


def _vanished(old: ColumnReference, found: dict[str, int], evidence: dict[str, Any]) -> Iterator[Test]:
    rows = sum(found.values())
    gone = {value: count for value, count in old.top if value not in found}
    if not gone:
        return
    most = max(gone, key=lambda value: gone[value])
    before = gone[most] / old.sampled
    # The most frequent of k vanished values is the most telling of k: Bonferroni within the column.
    p_value = min(1.0, len(old.top) * same_rate(0, rows, gone[most], old.sampled))
    others = f" and {len(gone) - 1} other values" if len(gone) > 1 else ""
    message = f"{old.name}: {most!r}{others} vanished; {before:.2%} of the rows in the reference"
    yield Test(Finding("vanished_values", old.name, message, before * 1_000, p_value, evidence), p_value)


def new_values(old: ColumnReference, new: Measured) -> Iterator[Finding]:
    """Values that the reference never had, where it had seen all there are: hardly any came only once.

    How many rows a value never seen may take is what values seen once take (Good and Turing); more are named. Asked of
    the whole table, so that one new value among millions is found.
    """
    from scipy.stats import binom

    if not old.top or not old.complete or old.dtype != "string":
        return
    known = [value for value, _ in old.top]
    column = new.frame.get_column(old.name)
    unknown = column.filter(~column.is_in(known).fill_null(value=True))
    if not len(unknown):
        return
    expected = old.once / max(1, old.sampled)
    p_value = float(binom.sf(len(unknown) - 1, len(column), expected)) if old.once else 0.0
    if p_value > 1e-4:
        return
    values = by_value(unknown)
    named = ", ".join(f"{value!r} ({count:,} rows)" for value, count in values[:3])
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    message = f"{old.name}: values that the reference does not have: {named}{more}"
    evidence = {"rows": len(unknown), "values": values[:20]}
    yield Finding("new_values", old.name, message, max(1.0, len(unknown) / len(column) * 1_000), p_value, evidence)


def wasserstein(quantiles: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]) -> float:
    """Distance of two distributions by their percentiles, the outermost left out: one outlier is another finding.

    Args:
        quantiles: float64[101], rising.
        reference: float64[101], rising.
    """
    return float(np.abs(quantiles[1:-1] - reference[1:-1]).mean())


def scale(old: ColumnReference) -> float:
    """Unit of distances: standard deviation without the outermost percentiles; the size of a constant; else 1."""
    inner = np.clip(old.quantiles, old.quantiles[1], old.quantiles[-2])
    return float(inner.std()) or abs(old.mean) or 1.0


def population_stability(counts: npt.NDArray[np.int64], reference: npt.NDArray[np.int64]) -> float:
    """PSI of two tables of counts, each bin with half a row more so that an empty one stays finite."""
    now = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    then = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    return float(((now - then) * np.log(now / then)).sum())


def histograms(old: ColumnReference, values: npt.NDArray[np.float64], now: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Both distributions over equal bins for a picture; the reference's from its percentiles."""
    low, high = min(now[1], old.quantiles[1]), max(now[-2], old.quantiles[-2])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 31)
    shares = np.histogram(values, edges)[0] / max(1, len(values))
    then = np.diff(np.interp(edges, old.quantiles, _SHARES))
    return {"edges": edges.tolist(), "now": shares.tolist(), "then": then.tolist()}


def _moved_by_chance(shares: npt.NDArray[np.float64], rows: int, reference_rows: int) -> float:
    """Expected distance of two samples of the same shares: of many rare values, most of it is chance."""
    return 0.5 * float(np.sqrt(2 / np.pi * shares * (1 - shares) * (1 / rows + 1 / reference_rows)).sum())


def _ordered(counts: npt.NDArray[np.int64], reference: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """Rare values beside each other, so that merging touches them alone."""
    order = np.argsort(-(counts + reference), kind="stable")
    return counts[order], reference[order]


def _shares(found: dict[str, int], before: dict[str, int]) -> dict[str, Any]:
    now, then = max(1, sum(found.values())), max(1, sum(before.values()))
    names = sorted(set(found) | set(before), key=lambda name: -(found.get(name, 0) / now + before.get(name, 0) / then))[
        :10
    ]
    return {
        "values": names,
        "now": [found.get(name, 0) / now for name in names],
        "then": [before.get(name, 0) / then for name in names],
    }
