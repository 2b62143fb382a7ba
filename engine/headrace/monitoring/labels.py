"""Labels come later: outcomes meet the predictions they answer, as far as they are known at a moment."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.errors import InvalidInputError

OUTCOME_COLUMNS = ("prediction_id", "available_at", "label")


def join_labels(predictions: pa.Table, outcomes: pa.Table, *, as_of: datetime) -> pa.Table:
    """Join outcomes to predictions by `prediction_id`.

    An outcome counts when `available_at <= as_of`, and of several the latest wins (an outcome can be corrected). A
    prediction that was asked twice counts once, with the answer logged last. Outcomes without a prediction are ignored.

    Args:
        predictions: from `read_predictions`; any table with prediction_id, in the order of logging.
        outcomes: prediction_id string, available_at timestamp[us, UTC], label of any type; a null in one of the first
            two means that the outcome is not known yet.
        as_of: aware; what becomes known later is not seen.

    Returns:
        the predictions, in their order, with the columns `label` and `label_at` added, both null while unknown.

    Complexity: O(n + m log m).

    Raises:
        InvalidInputError: a column is missing, or `as_of` is naive.
    """
    missing = [name for name in OUTCOME_COLUMNS if name not in outcomes.column_names]
    if missing or "prediction_id" not in predictions.column_names:
        raise InvalidInputError(
            f"outcomes have the columns {outcomes.column_names}; needed: {', '.join(OUTCOME_COLUMNS)}, and predictions "
            "need prediction_id"
        )
    if as_of.tzinfo is None:
        raise InvalidInputError(f"as_of is {as_of}, without a time zone; give it one")
    answers = _last_of_each(predictions)
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    known = outcomes.filter(pc.less_equal(outcomes["available_at"], moment)).sort_by([("available_at", "descending")])
    ids = known["prediction_id"].combine_chunks().cast(pa.string())
    position = pc.index_in(answers["prediction_id"], value_set=ids)  # of duplicates the first: the latest outcome
    return answers.append_column("label", known["label"].take(position)).append_column(
        "label_at", known["available_at"].take(position)
    )


def _last_of_each(predictions: pa.Table) -> pa.Table:
    ids = predictions["prediction_id"].combine_chunks()
    rows = len(ids)
    backwards = ids.take(pa.array(np.arange(rows - 1, -1, -1)))
    last = rows - 1 - pc.index_in(ids, value_set=backwards).to_numpy(zero_copy_only=False)
    return predictions.filter(pa.array(last == np.arange(rows)))
