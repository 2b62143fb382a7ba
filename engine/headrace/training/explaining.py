"""Why a model says what it says: TreeSHAP contributions of each feature, of single rows and of many.

Contributions are of raw scores (log-odds for a binary model), where they add up: base + contributions = raw score, to
the rounding of float64. What a feature contributes is what the model makes of it, not what it causes.
Reference: Lundberg et al., Nature Machine Intelligence 2 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError
from headrace.core.hashing import finite_or_none
from headrace.training.trained import TrainedModel

Numbers = npt.NDArray[np.float64]

SAMPLED_ROWS = 500  # contributions of a row cost a thousand times its prediction


@dataclass(frozen=True)
class Contributions:
    """Contributions of rows.

    Attributes:
        names: F feature names, in the model's order.
        base: float64[K], what the model says of nothing; K is 1, or the number of classes.
        values: float64[n, K, F].
        raw: float64[n, K], the raw scores they add up to.
    """

    names: tuple[str, ...]
    base: Numbers
    values: Numbers
    raw: Numbers


@dataclass(frozen=True)
class FeatureEffect:
    """What a feature does over many rows.

    Attributes:
        name: the feature.
        mean_abs: mean size of its contribution, over rows and classes.
        direction: rank correlation of its value and its contribution: near 1 where more of it raises the score, near -1
            where it lowers it, near 0 where neither; NaN where either does not vary, and for several classes.
        when_missing: mean contribution where it is missing; NaN where it never is.
    """

    name: str
    mean_abs: float
    direction: float
    when_missing: float

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "name": self.name,
            "mean_abs": self.mean_abs,
            "direction": finite_or_none(self.direction),
            "when_missing": finite_or_none(self.when_missing),
        }


def contributions(trained: TrainedModel, values: npt.NDArray[np.float32]) -> Contributions:
    """Contributions of rows, by LightGBM. O(rows x trees x leaves x depth^2).

    Args:
        trained: the model; linear trees have no contributions.
        values: float32[n, F], in the model's order; NaN = missing.

    Raises:
        InvalidInputError: the model has linear leaves.
    """
    if trained.settings.params.get("linear_tree"):
        raise InvalidInputError("a model with linear leaves has no TreeSHAP contributions")
    if not len(values):
        empty = np.zeros((0, 1, len(trained.names)))
        return Contributions(trained.names, np.full(1, np.nan), empty, np.zeros((0, 1)))
    found = np.asarray(
        trained.booster.predict(
            values, num_iteration=trained.best_iteration, num_threads=trained.settings.threads, pred_contrib=True
        )
    ).reshape(len(values), -1, len(trained.names) + 1)
    return Contributions(trained.names, found[0, :, -1], found[:, :, :-1], found.sum(axis=2))


def explain_row(trained: TrainedModel, values: npt.NDArray[np.float32], *, top: int | None = None) -> dict[str, Any]:
    """One row in JSON data: its score, and what each feature contributed, largest first.

    Args:
        trained: the model.
        values: float32[F].
        top: how many features to list; the rest are summed under `others`. None: all.
    """
    row = np.ascontiguousarray(values[None, :])
    found = contributions(trained, row)
    score = trained.predict(row)[0]
    sizes = np.abs(found.values[0]).max(axis=0)
    order = np.lexsort((np.arange(sizes.size), -sizes))
    kept = order if top is None else order[:top]
    left = np.setdiff1d(order, kept)

    def of(part: Numbers) -> Any:
        return part.tolist() if part.size > 1 else float(part[0])

    return {
        "score": score.tolist() if np.ndim(score) else float(score),
        "raw_score": of(found.raw[0]),
        "base": of(found.base),
        "contributions": [
            {
                "feature": found.names[place],
                "value": finite_or_none(float(values[place])),
                "contribution": of(found.values[0, :, place]),
            }
            for place in kept.tolist()
        ],
        "others": of(found.values[0][:, left].sum(axis=1)),
    }


def summarise_effects(
    trained: TrainedModel, values: npt.NDArray[np.float32], *, rows: int = SAMPLED_ROWS, seed: int = 0
) -> tuple[FeatureEffect, ...]:
    """What each feature does over a sample of rows, largest first.

    Args:
        trained: the model.
        values: float32[n, F].
        rows: most rows looked at, drawn without replacement.
        seed: of the draw.
    """
    from scipy.stats import rankdata

    if len(values) > rows:
        chosen = np.sort(np.random.default_rng(seed).choice(len(values), rows, replace=False))
        values = np.ascontiguousarray(values[chosen])
    found = contributions(trained, values)
    effects = []
    for place, name in enumerate(found.names):
        own, column = found.values[:, :, place], values[:, place]
        known = ~np.isnan(column)
        direction = float("nan")
        if own.shape[1] == 1 and np.unique(own[known, 0]).size > 1 and np.unique(column[known]).size > 1:
            ranks = [rankdata(part) for part in (column[known], own[known, 0])]
            direction = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
        missing = float(own[~known].mean()) if own.shape[1] == 1 and not known.all() else float("nan")
        effects.append(FeatureEffect(name, float(np.abs(own).mean()) if own.size else 0.0, direction, missing))
    return tuple(sorted(effects, key=lambda one: (-one.mean_abs, one.name)))


def effects(trained: TrainedModel, values: npt.NDArray[np.float32], *, rows: int = SAMPLED_ROWS) -> dict[str, Any]:
    """What each feature does over a sample of rows, as JSON data; empty for linear leaves, which have none."""
    if trained.settings.params.get("linear_tree"):
        return {}
    found = summarise_effects(trained, values, rows=rows)
    return {"rows": min(rows, len(values)), "features": [one.to_json() for one in found]}
