"""Columns that stand in for a sensitive one: leaving it out of a model does not leave it out of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.validation.findings import Finding

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_PERMUTATIONS = 20
_BINS = 16
_FOLDS = 3
_MOST_VALUES = 50
_MOST_GROUPS = 10
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Proxy:
    """How much one column says about the sensitive one.

    Attributes:
        column: the column.
        information: mutual information over the sensitive column's entropy, 0 to 1.
        baseline: the same after the column was shuffled, the largest of 20: what chance makes.
        auc: area under the ROC curve of predicting the sensitive column from this one alone, out of three folds; mean
            over its values where there are more than two.
        tells: more information than chance, and an AUC above the limit.
    """

    column: str
    information: float
    baseline: float
    auc: float
    tells: bool


@dataclass(frozen=True)
class ProxyReport:
    """What predicts one sensitive column.

    Attributes:
        sensitive: the column.
        proxies: of all other columns, the most telling first.
        together: AUC of all of them together, out of three folds (gradient boosting); NaN where it could not be asked.
        rows: rows it was asked on.
        findings: columns that tell, and all together where they do and none alone does.
    """

    sensitive: str
    proxies: tuple[Proxy, ...]
    together: float
    rows: int
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON data; NaN as null."""
        return {
            "sensitive": self.sensitive,
            "proxies": [asdict(proxy) for proxy in self.proxies],
            "together": None if np.isnan(self.together) else self.together,
            "rows": self.rows,
            "findings": [finding.to_json() for finding in self.findings],
        }


def proxies(
    table: pa.Table | pl.DataFrame,
    sensitive: str,
    *,
    columns: Sequence[str] | None = None,
    limit: float = 0.65,
    most_rows: int = 10_000,
    seed: int = 7,
) -> ProxyReport:
    """Find columns that predict a sensitive one.

    Rows without the sensitive value are left out, and its values beyond the ten most frequent too. A column's missing
    values are a value of their own: that something is missing may tell most of all. Columns of text with more than 50
    values count by their 50 most frequent.

    Args:
        table: any rows; at most `most_rows` of them are drawn with the seed.
        sensitive: a column.
        columns: which columns are asked; None: all others.
        limit: AUC from which a column tells.
        most_rows: rows drawn.
        seed: of the draw, the folds and the shuffles.

    Raises:
        DefinitionError: the table lacks a column.
    """
    import polars as pl

    frame = table if isinstance(table, pl.DataFrame) else pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    asked = [name for name in (columns or frame.columns) if name != sensitive]
    for name in (sensitive, *asked):
        if name not in frame.columns:
            raise DefinitionError(f"there is no column '{name}' in the table", hint=did_you_mean(name, frame.columns))
    known = frame.drop_nulls(sensitive)
    known = known.sample(min(most_rows, known.height), seed=seed)
    target = _codes(known.get_column(sensitive), _MOST_GROUPS)
    kept = target < _MOST_GROUPS
    known, target = known.filter(pl.Series(kept)), target[kept]
    if len(np.unique(target)) < 2 or known.height < 100:
        return ProxyReport(sensitive, (), float("nan"), known.height, ())
    codes = {name: _codes(known.get_column(name), _MOST_VALUES) for name in asked}
    found = sorted((_proxy(name, codes[name], target, limit, seed) for name in asked), key=lambda proxy: -proxy.auc)
    together = _auc(np.stack(list(codes.values()), axis=1), target, seed, deep=True) if codes else float("nan")
    findings = _findings(sensitive, found, together, limit)
    return ProxyReport(sensitive, tuple(found), together, known.height, findings)


def _proxy(name: str, codes: Codes, target: Codes, limit: float, seed: int) -> Proxy:
    random = np.random.default_rng(seed)
    entropy = _entropy(target)
    own = _information(codes, target) / entropy
    baseline = max(_information(random.permutation(codes), target) / entropy for _ in range(_PERMUTATIONS))
    auc = _auc(codes[:, None], target, seed, deep=False) if own > baseline else 0.5
    return Proxy(name, own, baseline, auc, own > baseline and auc >= limit)


def _findings(sensitive: str, found: list[Proxy], together: float, limit: float) -> tuple[Finding, ...]:
    telling = [proxy for proxy in found if proxy.tells]
    findings = [
        Finding(
            "proxy",
            proxy.column,
            f"{proxy.column}: predicts {sensitive} with AUC {proxy.auc:.2f} ({proxy.information:.0%} of its "
            f"information, {proxy.baseline:.1%} by chance); a model without {sensitive} still has it",
            (proxy.auc - 0.5) / (limit - 0.5),
            None,
            {"sensitive": sensitive, "auc": proxy.auc, "information": proxy.information},
        )
        for proxy in telling
    ]
    if not telling and together >= limit:
        message = f"{sensitive}: no column alone predicts it, all together do, with AUC {together:.2f}"
        findings.append(Finding("proxy", sensitive, message, (together - 0.5) / (limit - 0.5), None, {"auc": together}))
    return tuple(findings)


def _codes(values: pl.Series, most: int) -> Codes:
    """Values as numbers from 0: bins of equal rows for numbers, the most frequent for text, one more for missing."""
    import polars as pl

    if values.dtype.is_numeric() or values.dtype.is_temporal():
        numbers = values.to_physical().cast(pl.Float64).to_numpy()
        finite = np.isfinite(numbers)
        if values.n_unique() > _BINS and finite.any():
            edges = np.unique(np.quantile(numbers[finite], np.arange(1, _BINS) / _BINS))
            return np.where(finite, np.searchsorted(edges, np.where(finite, numbers, 0.0)), _BINS).astype(np.int64)
    text = values.cast(pl.String)
    counts = (
        text.drop_nulls().alias("value").value_counts().sort(["count", "value"], descending=[True, False]).head(most)
    )
    order = {value: at for at, value in enumerate(counts.get_column("value"))}
    coded = text.replace_strict(order, default=most, return_dtype=pl.Int64)
    return coded.fill_null(most + 1).to_numpy().astype(np.int64)


def _information(codes: Codes, target: Codes) -> float:
    """Mutual information in nats."""
    from sklearn.metrics import mutual_info_score

    return float(mutual_info_score(target, codes))


def _entropy(target: Codes) -> float:
    shares = np.bincount(target)[np.unique(target)] / len(target)
    return float(-(shares * np.log(shares)).sum())


def _auc(features: npt.NDArray[np.int64], target: Codes, seed: int, *, deep: bool) -> float:
    """Out-of-fold AUC, mean over the target's values; a value with fewer rows than folds leaves NaN."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier
    from threadpoolctl import threadpool_limits

    values, counts = np.unique(target, return_counts=True)
    kept = np.isin(target, values[counts >= 10])
    features, target = features[kept], target[kept]
    if len(np.unique(target)) < 2:
        return float("nan")
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    model = (
        HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=15, random_state=seed)
        if deep
        else DecisionTreeClassifier(max_leaf_nodes=32, min_samples_leaf=20, random_state=seed)
    )
    # One thread: a small sample on threads that wait for each other takes many times longer on a busy machine.
    with threadpool_limits(1):
        scores = cross_val_predict(model, features, target, cv=folds, method="predict_proba")
    if scores.shape[1] == 2:
        return float(roc_auc_score(target, scores[:, 1]))
    return float(roc_auc_score(target, scores / scores.sum(axis=1, keepdims=True), multi_class="ovr"))
