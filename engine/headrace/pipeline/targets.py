"""Labels, weights and queries of the spine's rows, as the model's definition asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import DefinitionError, FailedCheckError, did_you_mean
from headrace.evaluation.task import Task
from headrace.training import Model

if TYPE_CHECKING:
    import pyarrow as pa

_HINTS = {
    Task.BINARY: 'compare a column, target=hr.column("arr_delay") > 15; or name another objective: "regression"',
    Task.REGRESSION: 'name a number, target=hr.column("arr_delay")',
    Task.MULTICLASS: 'name a column of text or whole numbers, target=hr.column("outcome")',
    Task.RANKING: "name a column of whole numbers: 0 is irrelevant",
}


def read_labels(model: Model, spine: pa.Table) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """The target of each row, and whether there is one; null and NaN are no label.

    Returns:
        bool[n], int64[n] or float64[n] by the model's task, and bool[n].

    Raises:
        DefinitionError: the target's type is not what the objective learns from.
        FailedCheckError: a row has a class that the model does not name.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    target = model.target.evaluate(spine)
    kind, task = target.type, model.task
    fits = {
        Task.BINARY: pa.types.is_boolean,
        Task.REGRESSION: lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind),
        Task.MULTICLASS: lambda kind: pa.types.is_integer(kind) or pa.types.is_string(kind),
        Task.RANKING: pa.types.is_integer,
    }[task]
    if not fits(kind):
        raise DefinitionError(
            f"the target of model '{model.name}' gives {kind}, which objective '{model.objective}' does not learn from",
            hint=_HINTS[task],
        )
    labelled = pc.is_valid(target)
    if pa.types.is_floating(kind):
        labelled = pc.and_(labelled, pc.invert(pc.fill_null(pc.is_nan(target), fill_value=False)))
    has_label = labelled.to_numpy(zero_copy_only=False)
    if task is Task.MULTICLASS:
        return _codes(model, target, has_label), has_label
    filled = pc.fill_null(target, fill_value=pa.scalar(0, pa.int8()).cast(kind))
    dtype = {Task.BINARY: np.bool_, Task.REGRESSION: np.float64}.get(task, np.int64)
    return np.nan_to_num(filled.to_numpy(zero_copy_only=False).astype(dtype), copy=False), has_label


def read_weights(model: Model, spine: pa.Table, labelled: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64] | None:
    """How much each row counts, float64[n]; 0 for rows without a label. None where the model declares no weight.

    Raises:
        DefinitionError: the weight gives no number.
        FailedCheckError: a labelled row has no weight, or one that is not above 0.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if model.weight is None:
        return None
    found = model.weight.evaluate(spine)
    if not (pa.types.is_integer(found.type) or pa.types.is_floating(found.type)):
        raise DefinitionError(f"the weight of model '{model.name}' gives {found.type}, not a number")
    weights: npt.NDArray[np.float64] = pc.fill_null(found.cast(pa.float64()), fill_value=np.nan).to_numpy()
    bad = np.flatnonzero(labelled & ~((weights > 0) & np.isfinite(weights)))
    if bad.size:
        raise FailedCheckError(
            f"{bad.size:,} labelled rows of model '{model.name}' have no weight above 0, the first is row {bad[0]:,}"
        )
    return np.where(labelled, weights, 0.0)


def read_queries(model: Model, spine: pa.Table) -> npt.NDArray[np.int64] | None:
    """Number of each row's query, int64[n], equal where the columns of `group_by` are; None where there are none.

    Raises:
        DefinitionError: the spine has no such column.
    """
    if not model.group_by:
        return None
    codes = np.zeros(spine.num_rows, np.int64)
    for name in model.group_by:
        if name not in spine.column_names:
            raise DefinitionError(
                f"group_by of model '{model.name}': the spine has no column '{name}'",
                hint=did_you_mean(name, spine.column_names),
            )
        distinct, own = np.unique(plain_array(spine[name]), return_inverse=True)
        codes = np.unique(codes * len(distinct) + own, return_inverse=True)[1].astype(np.int64)
    return codes


def plain_array(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column as an array, for slices, queries and naive rules; null becomes an empty string or NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        return np.array(pc.fill_null(column, "").to_pylist(), np.str_)
    return np.asarray(column.to_numpy())


def _codes(model: Model, target: pa.ChunkedArray, labelled: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.index_in(target, value_set=pa.array(list(model.classes), target.type))
    codes: npt.NDArray[np.int64] = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    unknown = np.flatnonzero(labelled & (codes < 0))
    if unknown.size:
        raise FailedCheckError(
            f"{unknown.size:,} rows of model '{model.name}' have a class that it does not name, "
            f"the first is {target[int(unknown[0])].as_py()!r} in row {unknown[0]:,}",
            hint=f"its classes are {list(model.classes)}; add it there, or make it null in the target",
        )
    return np.maximum(codes, 0)
