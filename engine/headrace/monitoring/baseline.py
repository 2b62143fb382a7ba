"""The baseline of a model: a reference of every feature, frozen when the model is packaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import CorruptedError, InvalidInputError
from headrace.core.hashing import canonical_json
from headrace.monitoring.reference import (
    FeatureReference,
    NaturalLimits,
    bounded_limit,
    choose_edges,
    decile_bins,
    population_stability,
    unbounded_limit,
    wasserstein,
)
from headrace.monitoring.sketch import check_columns

FORMAT_VERSION = 1
DAY_US = 86_400_000_000


@dataclass(frozen=True)
class BaselineSettings:
    """How the natural variation of the reference is measured.

    Attributes:
        block_days: lengths of the stretches the reference is cut into; a window is judged by the longest that is not
            longer than itself.
        min_blocks: fewer stretches than this say nothing about natural variation, and that length is left out.
        min_block_values: a stretch with fewer values of a feature is left out for that feature.
    """

    block_days: tuple[float, ...] = (1.0, 7.0)
    min_blocks: int = 8
    min_block_values: int = 100


@dataclass(frozen=True)
class Baseline:
    """References of all features, in the order of the model's input (the score last, where it is kept)."""

    features: tuple[FeatureReference, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names, in order."""
        return tuple(feature.name for feature in self.features)

    def to_json(self) -> dict[str, Any]:
        """JSON data: what a package keeps as `baseline/baseline.json`."""
        return {"format": FORMAT_VERSION, "features": [feature.to_json() for feature in self.features]}

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal baselines give equal bytes."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Baseline:
        """Inverse of `to_json`.

        Raises:
            CorruptedError: the format version is unknown, or a part is missing.
        """
        if data.get("format") != FORMAT_VERSION:
            raise CorruptedError(
                f"baseline format {data.get('format')!r} is unknown; this version reads {FORMAT_VERSION}",
                hint="rebuild the package, or use the version of headrace that wrote it",
            )
        try:
            return cls(tuple(FeatureReference.from_json(feature) for feature in data["features"]))
        except (KeyError, TypeError) as error:
            raise CorruptedError(f"the baseline is not what its format says: {error}") from error


def build_baseline(
    values: NDArray[np.float32],
    *,
    names: Sequence[str],
    roles: Sequence[str],
    importances: Sequence[float] | Mapping[str, float],
    times: NDArray[np.int64],
    settings: BaselineSettings = BaselineSettings(),
) -> Baseline:
    """Freeze the reference of every feature; the same rows give the same bytes.

    Args:
        values: float32[n, F]; NaN = missing; Inf counts as the largest float32. A score may be a column of its own,
            with the role `score`.
        names: one a column.
        roles: one a column: window, state, calendar, request, derived or score.
        importances: gain shares in [0, 1], one a column or by name (a name that is missing has 0).
        times: int64[n], us UTC, when each row was (or would have been) asked.
        settings: how natural variation is measured.

    Complexity: O(F n log n).

    Raises:
        InvalidInputError: there are no rows, or the lengths disagree.
    """
    check_columns(values, tuple(names))
    if len(values) == 0 or len(times) != len(values) or len(roles) != len(names):
        raise InvalidInputError(
            f"a baseline needs rows, a time a row and a role a feature; got {len(values)} rows, {len(times)} times, "
            f"{len(names)} names and {len(roles)} roles"
        )
    shares = _shares(names, importances)
    blocks = [_cut(times, days) for days in settings.block_days]
    features = []
    for index, (name, role, importance) in enumerate(zip(names, roles, shares, strict=True)):
        limit = np.finfo(np.float32).max
        column = np.clip(values[:, index], -limit, limit)  # NaN stays NaN
        features.append(_reference((name, role, importance), column, blocks, settings))
    return Baseline(tuple(features))


def _shares(names: Sequence[str], importances: Sequence[float] | Mapping[str, float]) -> list[float]:
    if isinstance(importances, Mapping):
        return [float(importances.get(name, 0.0)) for name in names]
    if len(importances) != len(names):
        raise InvalidInputError(f"{len(importances)} importances for {len(names)} features")
    return [float(importance) for importance in importances]


def _cut(times: NDArray[np.int64], days: float) -> NDArray[np.int64]:
    """Number of the block of each row, counted from the first row's time."""
    numbers: NDArray[np.int64] = (times - times.min()) // round(days * DAY_US)
    return numbers


def _reference(
    identity: tuple[str, str, float],
    column: NDArray[np.float32],
    blocks: Sequence[NDArray[np.int64]],
    settings: BaselineSettings,
) -> FeatureReference:
    present = ~np.isnan(column)
    values = column[present]
    edges, discrete = choose_edges(np.sort(values))
    bins = np.searchsorted(edges, values, side="left")
    counts = np.bincount(bins, minlength=len(edges)).astype(np.int64)
    exact = values.astype(np.float64)
    std = float(exact.std()) if len(exact) > 1 else 0.0
    name, role, importance = identity
    natural = []
    for days, block in zip(settings.block_days, blocks, strict=True):
        tables = list(_block_counts(block, present, bins, len(edges)))
        if len(tables) >= settings.min_blocks:
            natural.append(_natural(days, tables, edges, std, settings, discrete=discrete))
    return FeatureReference(
        name=name,
        role=role,
        importance=importance,
        rows=len(column),
        nulls=len(column) - len(values),
        mean=float(exact.mean()) if len(exact) else 0.0,
        std=std,
        discrete=discrete,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        natural=tuple(natural),
    )


def _block_counts(
    block: NDArray[np.int64], present: NDArray[np.bool_], bins: NDArray[np.int64], edges: int
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Rows and counts by bin, block after block, without those that hold less than half of what a block usually holds.

    The last block is rarely a whole one, and a part of a week strays further than a week.
    """
    rows = np.bincount(block)
    usual = float(np.median(rows[rows > 0]))
    counts = np.bincount(block[present] * max(1, edges) + bins, minlength=len(rows) * max(1, edges))
    for number, row in zip(rows.tolist(), counts.reshape(len(rows), -1), strict=True):
        if number >= max(1.0, usual / 2.0):
            yield number, row.astype(np.int64)


def _natural(
    days: float,
    tables: Sequence[tuple[int, NDArray[np.int64]]],
    edges: NDArray[np.float64],
    std: float,
    settings: BaselineSettings,
    *,
    discrete: bool,
) -> NaturalLimits:
    """Compare every block with the rest of the reference, by subtraction of its counts."""
    total: NDArray[np.int64] = np.sum([counts for _, counts in tables], axis=0)
    total_rows = sum(rows for rows, _ in tables)
    present = int(total.sum())
    strays: dict[str, list[float]] = {"wasserstein": [], "psi": [], "null_rate": [], "unseen": []}
    deciles = decile_bins(total)
    for rows, counts in tables:
        size = int(counts.sum())
        rest = total - counts
        if rows >= settings.min_block_values and total_rows > rows:
            rest_nulls = (total_rows - rows) - (present - size)
            strays["null_rate"].append(abs((rows - size) / rows - rest_nulls / (total_rows - rows)))
        if size >= settings.min_block_values and present > size and len(edges):
            distance = wasserstein(counts, rest, edges, np.zeros(len(edges)) if discrete else None)
            strays["wasserstein"].append(distance / scale(std, edges))
            strays["psi"].append(population_stability(np.bincount(deciles, counts), np.bincount(deciles, rest)))
            strays["unseen"].append(float(counts[rest == 0].sum()) / size if discrete else 0.0)
    known = {
        name: unbounded_limit(found) if name == "wasserstein" else bounded_limit(found)
        for name, found in strays.items()
        if len(found) >= settings.min_blocks
    }
    return NaturalLimits(block_days=days, blocks=len(tables), **known)


def scale(std: float, edges: NDArray[np.float64]) -> float:
    """Unit of Wasserstein distances: the reference's standard deviation; for a constant its size, for zero 1."""
    return std or float(np.abs(edges).max(initial=0.0)) or 1.0
