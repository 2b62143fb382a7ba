"""Features as a late feed would give them: what windows and states said of the same entity some time before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from headrace.evaluation.perturbations import delayed
from headrace.features.definition.durations import parse_duration_us
from headrace.pipeline.dataset import Dataset
from headrace.training import SplitMasks

DELAYS = ("1h", "6h")
LATE_ROLES = ("window", "state")


def stale_inputs(
    dataset: Dataset, masks: SplitMasks, names: tuple[str, ...], delays: tuple[str, ...] = DELAYS
) -> dict[str, npt.NDArray[np.float32]]:
    """The test part's features with those that come from feeds as old as a delay; empty where none do.

    A feature of an entity takes the value it had for the entity's latest row so long before, so it is at least that old
    (older for entities that are rare). Requests' own features stay.

    Args:
        dataset: all rows.
        masks: the parts; rows of the validation part are looked back to.
        names: features of the model, in its order.
        delays: how late, in words.
    """
    steps = {feature.name: feature for feature in dataset.plan.features}
    late: dict[tuple[str, ...], list[int]] = {}
    for place, name in enumerate(names):
        keys = tuple(getattr(steps[name].step, "on", ()))
        if steps[name].role in LATE_ROLES and keys and set(keys) <= set(dataset.spine.column_names):
            late.setdefault(keys, []).append(place)
    if not late:
        return {}
    rows = np.flatnonzero(masks.valid | masks.test)
    test = masks.test[rows]
    places = [dataset.matrix.names.index(name) for name in names]
    values = np.asarray(dataset.matrix.values[rows])[:, places]
    codes = {keys: _entities(dataset.columns(keys), rows) for keys in late}
    found = {}
    for delay in delays:
        broken = values[test].copy()
        for keys, columns in late.items():
            old = delayed(values[:, columns], codes[keys], dataset.times[rows], parse_duration_us(delay))
            broken[:, columns] = old[test]
        found[delay] = broken
    return found


def _entities(columns: Mapping[str, npt.NDArray[np.generic]], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Number of each row's entity, int64[n]."""
    codes = np.zeros(rows.size, np.int64)
    for column in columns.values():
        _, own = np.unique(column[rows].astype(str), return_inverse=True)
        codes = np.unique(codes * (int(own.max()) + 1) + own, return_inverse=True)[1].astype(np.int64)
    return codes
