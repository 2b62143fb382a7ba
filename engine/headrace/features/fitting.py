"""Fit a plan's encoders to a training split, once; the fitted plan is what is computed, packaged and served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.features.plan import FeaturePlan

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def fit_plan(
    plan: FeaturePlan,
    tables: Mapping[str, pa.Table],
    *,
    rows: npt.NDArray[np.bool_] | npt.NDArray[np.integer],
    spine: pa.Table | None = None,
) -> FeaturePlan:
    """Fit every encoder that learns from data to the training rows of the spine.

    Only those rows are looked at, and the result depends on which they are, not on their order. Encoders that were
    fitted before are fitted again. Cost: what the encoders read is evaluated once for the training rows.

    Args:
        plan: a plan, fitted or not.
        tables: stored tables by name, with at least the plan's columns.
        rows: bool[n_rows] of the spine, or the positions of the training rows, each once.
        spine: the spine's rows, by default the plan's spine table.

    Returns:
        the plan with its encoders' parameters as data; the plan itself where no encoder learns.

    Raises:
        InvalidInputError: a table is missing, `rows` names no row, one twice or one that is not there, or an encoder
            finds nothing to learn from.
    """
    learning = {name: spec for name, spec in plan.encoders.items() if spec.fitted != {}}
    if not learning:
        return plan
    from headrace.features.encoder_fits import fit_encoder  # here, so that definitions load without Arrow and Numba
    from headrace.features.spine_values import evaluate_on_spine, training_rows

    if spine is None and plan.spine not in tables:
        raise InvalidInputError(
            f"plan '{plan.name}' reads table '{plan.spine}', which was not given", hint=did_you_mean(plan.spine, tables)
        )
    asking = tables[plan.spine] if spine is None else spine
    chosen = asking.filter(training_rows(rows, asking.num_rows))
    read = [spec.of[0] for spec in learning.values()]
    values = evaluate_on_spine(plan, tables, chosen, read)
    fitted = {
        name: replace(spec, fitted=fit_encoder(spec, array))
        for (name, spec), array in zip(learning.items(), values, strict=True)
    }
    return replace(plan, encoders={**plan.encoders, **fitted})
