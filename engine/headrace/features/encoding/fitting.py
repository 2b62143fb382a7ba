"""Fit a plan's encoders to a training split, once; the fitted plan is what is computed, packaged and served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.features.plan import EncoderSpec, FeaturePlan

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def fit_plan(
    plan: FeaturePlan,
    tables: Mapping[str, Any],
    *,
    rows: npt.NDArray[np.bool_] | npt.NDArray[np.integer],
    spine: Any = None,
) -> FeaturePlan:
    """Fit every encoder that learns from data to the training rows of the spine.

    Only those rows are looked at, and the result depends on which they are, not on their order. Encoders that were
    fitted before are fitted again, an encoder of a feature after the encoders behind that feature. Cost: what the
    encoders read is evaluated for the training rows, windows included.

    Args:
        plan: a plan, fitted or not.
        tables: tables by name, with at least the plan's columns, as for `compute`.
        rows: bool[n_rows] of the spine, or the positions of the training rows, each once.
        spine: the spine's rows, by default the plan's spine table.

    Returns:
        the plan with its encoders' parameters as data; the plan itself where no encoder learns.

    Raises:
        InvalidInputError: a table is missing, `rows` names no row, one twice or one that is not there, or an encoder
            finds nothing to learn from.
    """
    learning = [name for name, spec in plan.encoders.items() if spec.fitted != {}]
    if not learning:
        return plan
    # here, so that definitions load without Arrow
    from headrace.features.encoding.spine_values import training_rows
    from headrace.features.table_inputs import as_table, as_tables

    if spine is None and plan.spine not in tables:
        raise InvalidInputError(
            f"plan '{plan.name}' reads table '{plan.spine}', which was not given", hint=did_you_mean(plan.spine, tables)
        )
    tables = as_tables(tables)
    asking = tables[plan.spine] if spine is None else as_table(plan.spine, spine)
    chosen = asking.filter(training_rows(rows, asking.num_rows))
    fitted = _with_encoders(plan, {name: replace(plan.encoders[name], fitted=None) for name in learning})
    while not fitted.is_fitted:
        fitted = _fit_next(fitted, tables, chosen)
    return fitted


def _fit_next(plan: FeaturePlan, tables: Mapping[str, pa.Table], spine: pa.Table) -> FeaturePlan:
    """Fit the encoders that read nothing unfitted."""
    from headrace.features.encoding.encoder_fits import fit_encoder
    from headrace.features.encoding.spine_values import evaluate_on_spine, features_read, plan_of_features

    ready = []
    for spec in plan.encoders.values():
        behind = set().union(*map(features_read, spec.of))
        if spec.fitted is None and (not behind or plan_of_features(plan, behind).is_fitted):
            ready.append(spec)
    assert ready, "the planner refuses circles"
    values = evaluate_on_spine(plan, tables, spine, [spec.of[0] for spec in ready])
    pairs = zip(ready, values, strict=True)
    return _with_encoders(plan, {spec.name: replace(spec, fitted=fit_encoder(spec, array)) for spec, array in pairs})


def _with_encoders(plan: FeaturePlan, encoders: Mapping[str, EncoderSpec]) -> FeaturePlan:
    return replace(plan, encoders={**plan.encoders, **encoders})
