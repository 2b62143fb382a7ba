"""What goes wrong with inputs in production, done to a feature matrix on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

RESOLUTION_VALUES = 10_000  # distinct values beyond which a feature counts as continuous


@dataclass(frozen=True)
class RobustnessSettings:
    """What is done to inputs; every number is a setting.

    Attributes:
        features: how many of the most important features are broken one by one.
        null_share: share of rows that lose a value.
        outlier_share: share of rows whose value leaves the range seen.
        outlier_widths: how many widths of the range above its top such a value lies.
        resolution: feature -> measured error, in its unit; others take half a step of what they are recorded in.
        rows: most rows judged, spread evenly.
        replicates: bootstrap draws.
        seed: of draws and perturbations.
    """

    features: int = 5
    null_share: float = 0.2
    outlier_share: float = 0.05
    outlier_widths: float = 3.0
    resolution: Mapping[str, float] = field(default_factory=dict)
    rows: int = 10_000
    replicates: int = 500
    seed: int = 0


@dataclass(frozen=True)
class Inputs:
    """Rows to break.

    Attributes:
        values: float32[n, F]; NaN = missing. Never written to.
        names: F feature names.
        important: features by importance, most important first.
        stale: delay in words -> the matrix as it would be if what windows and states say arrived that much later.
    """

    values: Matrix
    names: tuple[str, ...]
    important: Sequence[str]
    stale: Mapping[str, Matrix] = field(default_factory=dict)


@dataclass(frozen=True)
class Perturbation:
    """One thing that goes wrong.

    Attributes:
        kind: `nulls`, `outliers`, `dropped`, `noise` or `delay`.
        name: in words.
        feature: the feature it happens to; empty: to many.
        apply: gives the broken matrix.
    """

    kind: str
    name: str
    feature: str
    apply: Callable[[], Matrix]


def perturbations(inputs: Inputs, settings: RobustnessSettings) -> Iterator[Perturbation]:
    """Everything that is tried, in order; each draws from a generator of its own, so none depends on the others."""
    chosen = [name for name in inputs.important if name in inputs.names][: settings.features]
    for place, name in enumerate(chosen):
        column = inputs.names.index(name)
        seeds = [settings.seed, place]

        def nulls(column: int = column, seeds: list[int] = seeds) -> Matrix:
            return _set(inputs.values, column, _some(inputs.values, settings.null_share, [*seeds, 0]), np.nan)

        def outliers(column: int = column, seeds: list[int] = seeds) -> Matrix:
            top = beyond_range(inputs.values[:, column], settings.outlier_widths)
            return _set(inputs.values, column, _some(inputs.values, settings.outlier_share, [*seeds, 1]), top)

        def dropped(column: int = column) -> Matrix:
            return _set(inputs.values, column, np.ones(len(inputs.values), np.bool_), np.nan)

        yield Perturbation("nulls", f"{name} missing in {settings.null_share:.0%} of rows", name, nulls)
        yield Perturbation("outliers", f"{name} out of range in {settings.outlier_share:.0%} of rows", name, outliers)
        yield Perturbation("dropped", f"{name} missing everywhere", name, dropped)
    yield Perturbation("noise", "every feature off by its measured error", "", lambda: _noisy(inputs, settings))
    for delay in inputs.stale:
        late = partial(inputs.stale.__getitem__, delay)
        yield Perturbation("delay", f"windows and states {delay} late", "", late)


def beyond_range(column: Matrix, widths: float) -> float:
    """A value so many widths of the range above its top; a constant feature counts as one wide."""
    known = column[np.isfinite(column)]
    if not known.size:
        return 0.0
    low, high = float(known.min()), float(known.max())
    with np.errstate(over="ignore"):
        return float(np.float32(min(high + widths * ((high - low) or 1.0), float(np.finfo(np.float32).max))))


def measured_error(column: Matrix) -> float:
    """Half of the smallest step between values: what a value recorded in such steps may be off by.

    0 for a feature of one value, and for one with so many values that steps are those of arithmetic.
    """
    distinct = np.unique(column[np.isfinite(column)])
    if not 1 < distinct.size <= RESOLUTION_VALUES:
        return 0.0
    return float(np.diff(distinct.astype(np.float64)).min()) / 2


def delayed(values: Matrix, entities: npt.NDArray[np.int64], times: npt.NDArray[np.int64], delay_us: int) -> Matrix:
    """Values as the entity's latest row at least `delay_us` earlier had them; NaN where there is none.

    That row's values were computed at its own time, so they hold nothing of the last `delay_us`: what a feed that is so
    late would give, or slightly older. O(n log n).

    Args:
        values: float32[n, F], features of the entity alone.
        entities: int64[n], which entity a row is of.
        times: int64[n], microseconds, the time of the query.
        delay_us: microseconds.
    """
    order = np.lexsort((times, entities))
    own, when = entities[order], times[order]
    first, last = np.searchsorted(own, own, "left"), np.searchsorted(own, own, "right")
    span = int(when.max()) - int(when.min()) + delay_us + 1 if when.size else 1
    codes = np.unique(own, return_inverse=True)[1].astype(np.int64)
    line = codes * span + (when - (when.min() if when.size else 0))
    source = np.searchsorted(line, line - delay_us, "right") - 1
    found = np.full(values.shape, np.nan, np.float32)
    known = (source >= first) & (source < last)
    found[order[known]] = values[order[source[known]]]
    return found


def _noisy(inputs: Inputs, settings: RobustnessSettings) -> Matrix:
    rng = np.random.default_rng([settings.seed, 1_000_003])
    broken = inputs.values.copy()
    for column, name in enumerate(inputs.names):
        error = settings.resolution.get(name, measured_error(broken[:, column]))
        if error:
            moved = rng.uniform(-error, error, len(broken)).astype(np.float32)
            broken[:, column] += np.where(broken[:, column] == 0, np.float32(0), moved)  # "nothing" is known exactly
    return broken


def _some(values: Matrix, share: float, seeds: list[int]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.random.default_rng(seeds).random(len(values)) < share)


def _set(values: Matrix, column: int, rows: npt.NDArray[np.bool_], value: float) -> Matrix:
    broken = values.copy()
    broken[rows, column] = value
    return broken
