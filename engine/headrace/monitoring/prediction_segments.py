"""Segments of the prediction log on disk: Arrow IPC files, whole or absent.

Loaded by the writer thread and by readers only, because it loads pyarrow.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.core.errors import CorruptedError, InvalidInputError

if TYPE_CHECKING:
    from headrace.monitoring.prediction_log import PredictionBatch

FORMAT_VERSION = b"1"
_SCHEMA = pa.schema(
    [
        pa.field("prediction_id", pa.string(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
        pa.field("logged_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("features", pa.list_(pa.float32()), nullable=False),
        pa.field("scores", pa.list_(pa.float32()), nullable=False),
    ],
    metadata={b"headrace.prediction_log": FORMAT_VERSION},
)


def write_segment(path: Path, batches: Sequence[PredictionBatch]) -> None:
    """Write batches of one (model, version) as one file that appears whole: staged, synced, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.part")
    try:
        with staged.open("wb") as raw:
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.ipc.new_file(raw, _SCHEMA, options=options) as writer:
                writer.write_table(_to_table(batches))
            raw.flush()
            os.fsync(raw.fileno())
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def read_predictions(folder: Path, model: str, *, version: int | None = None) -> pa.Table:
    """Read every whole segment of a model, in the order of logging.

    Args:
        folder: root of the log.
        model: its name; a model without segments gives an empty table.
        version: only this version's answers.

    Returns:
        prediction_id string, version int32, logged_at timestamp[us, UTC], features list<float32>,
        scores list<float32> (one value, or K for K classes). No nulls; a missing feature is NaN.

    Raises:
        CorruptedError: a segment is no readable segment of this log.
    """
    parts = [_SCHEMA.empty_table()]
    for path in sorted((folder / model).glob("[!.]*.arrow")):
        part = read_segment(path)
        if version is not None:
            part = part.filter(pc.equal(part["version"], version))
        parts.append(part)
    table = pa.concat_tables(parts).sort_by([("logged_at", "ascending")])
    return table.replace_schema_metadata(None)


def feature_matrix(predictions: pa.Table) -> NDArray[np.float32]:
    """Features of the log's rows as float32[n, F], row-major; NaN = missing.

    Raises:
        InvalidInputError: rows have different widths, as versions with different features give: choose a version.
    """
    return _matrix(predictions["features"], "features")


def score_matrix(predictions: pa.Table) -> NDArray[np.float32]:
    """Scores of the log's rows as float32[n, K]; K is 1 for a single-output model."""
    return _matrix(predictions["scores"], "scores")


def read_segment(path: Path) -> pa.Table:
    """Read one segment, columns as in `read_predictions`.

    Raises:
        CorruptedError: it is no readable segment of this log.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            if reader.schema != _SCHEMA or (reader.schema.metadata or {}) != _SCHEMA.metadata:
                raise CorruptedError(f"{path} is not a prediction segment of format {FORMAT_VERSION.decode()}")
            return reader.read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptedError(
            f"{path} is not a readable prediction segment: {error}", hint="move the file away to read the others"
        ) from error


def _to_table(batches: Sequence[PredictionBatch]) -> pa.Table:
    ids = [prediction_id for batch in batches for prediction_id in batch.ids]
    moments = np.repeat(
        np.array([_microseconds(batch.logged_at) for batch in batches], dtype=np.int64),
        [len(batch.ids) for batch in batches],
    )
    columns = [
        pa.array(ids, pa.string()),
        pa.array(np.full(len(ids), batches[0].version, dtype=np.int32)),
        pa.array(moments).cast(pa.timestamp("us", tz="UTC")),
        _lists(np.concatenate([batch.features for batch in batches])),
        _lists(np.concatenate([batch.scores.reshape(len(batch.ids), -1) for batch in batches])),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _lists(values: NDArray[np.float32]) -> pa.ListArray:
    rows, width = values.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(values).reshape(-1)))


def _matrix(column: pa.ChunkedArray, name: str) -> NDArray[np.float32]:
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) > 1:
        raise InvalidInputError(f"{name} have different widths: {sorted(lengths)}", hint="read one version's rows")
    width = lengths[0] if lengths else 0
    flat: NDArray[np.float32] = pc.list_flatten(column).to_numpy()
    return flat.reshape(len(column), width)
