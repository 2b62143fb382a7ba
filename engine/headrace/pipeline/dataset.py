"""What training, evaluation and monitoring share: the matrix, the rows it belongs to, their labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import DefinitionError
from headrace.features import FeatureMatrix, FeaturePlan
from headrace.pipeline.context import RunContext
from headrace.pipeline.targets import plain_array, read_labels, read_queries, read_weights
from headrace.training import SplitMasks, TimeSplit, TrainingData

if TYPE_CHECKING:
    import pyarrow as pa

MATRIX_FILE = "matrix.npy"
QUERY_TIME_FILE = "query_time.npy"
PLAN_FILE = "plan.json"
DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Dataset:
    """Every spine row with its features, its label where one is known, and when it became known.

    Attributes:
        plan: what computed the features.
        matrix: features, one row a spine row.
        spine: the spine table, all columns, the same rows.
        ids: str[n], prediction ids: the spine's row ids.
        times: int64[n], microseconds UTC: the time rows are split by (the event time of the spine).
        labels: bool[n] of a binary model, int64[n] numbers of classes or grades, float64[n] numbers; False or 0 where
            there is no label.
        labelled: bool[n].
        known_at: int64[n], microseconds UTC: when the label became known; the largest int64 where it never did.
        weights: float64[n], how much each row counts; None: all alike.
        queries: int64[n], the query of each row of a ranking; None else.
    """

    plan: FeaturePlan
    matrix: FeatureMatrix
    spine: pa.Table
    ids: npt.NDArray[np.str_]
    times: npt.NDArray[np.int64]
    labels: npt.NDArray[Any]
    labelled: npt.NDArray[np.bool_]
    known_at: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64] | None = None
    queries: npt.NDArray[np.int64] | None = None

    @property
    def days(self) -> npt.NDArray[np.int64]:
        """Day of each row (UTC), the block of the bootstrap: rows of one day share weather and delays."""
        return self.times // DAY_US

    def masks(self, split: TimeSplit) -> SplitMasks:
        """Labelled rows of each part."""
        return split.masks(self.times).within(self.labelled)

    def training_data(self, split: TimeSplit) -> TrainingData:
        """The labelled matrix with its split."""
        return TrainingData(
            self.matrix.values, self.matrix.names, self.labels, self.masks(split), self.weights, self.queries
        )

    def columns(self, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Spine columns as arrays, for slices and naive rules; null becomes an empty string or NaN.

        Timestamps cannot be groups; a naive rule by hour wants a column that says so.
        """
        return {name: plain_array(self.spine[name]) for name in names}

    def outcomes(self) -> pa.Table:
        """Labels as they become known: prediction_id, event_time, available_at, label; only rows that have one."""
        import pyarrow as pa

        rows = np.flatnonzero(self.labelled)
        moment = pa.timestamp("us", tz="UTC")
        return pa.table(
            {
                "prediction_id": pa.array(self.ids[rows].tolist(), pa.string()),
                "event_time": pa.array(self.times[rows], pa.int64()).cast(moment),
                "available_at": pa.array(self.known_at[rows], pa.int64()).cast(moment),
                "label": pa.array(self.labels[rows]),
            }
        )


def load_dataset(context: RunContext) -> Dataset:
    """Read what the features stage left, and the labels.

    Raises:
        DefinitionError: the target does not give a bool for each spine row, or the feature set declares no row_id.
    """
    folder = context.workspace.features
    plan = FeaturePlan.from_json(json.loads((folder / PLAN_FILE).read_text()))
    matrix = FeatureMatrix(
        plan.feature_names, np.load(folder / MATRIX_FILE, mmap_mode="r"), np.load(folder / QUERY_TIME_FILE)
    )
    features = context.project.model.features
    spine = read_table(context, plan.spine)
    if plan.row_id is None:
        raise DefinitionError(
            f"feature set '{features.name}' declares no row_id",
            hint="labels join predictions by it: row_id='flight_id'",
        )
    model = context.project.model
    labels, labelled = read_labels(model, spine)
    view = features.spine
    known = spine[view.available_at or view.event_time]
    return Dataset(
        plan=plan,
        matrix=matrix,
        spine=spine,
        ids=np.array(spine[plan.row_id].to_pylist(), np.str_),
        times=microseconds(spine[view.event_time]),
        labels=labels,
        labelled=labelled,
        known_at=microseconds(known),
        weights=read_weights(model, spine, labelled),
        queries=read_queries(model, spine),
    )


def read_tables(context: RunContext, plan: FeaturePlan) -> dict[str, pa.Table]:
    """Read the columns a plan names, in the versions this run validated."""
    return {name: read_table(context, name, columns) for name, columns in plan.tables_needed.items()}


def read_table(context: RunContext, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table in the version this run validated."""
    used = context.records["validate"].facts["tables"][name]
    return context.store.read(used["name"], version=used["version"], columns=columns)


def table_schemas(context: RunContext) -> dict[str, dict[str, str]]:
    """Column types of every table of this run."""
    schemas: dict[str, dict[str, str]] = {
        name: used["columns"] for name, used in context.records["validate"].facts["tables"].items()
    }
    return schemas


def used_table(context: RunContext, name: str, stored: str, version: int) -> dict[str, Any]:
    """Fact about the version of a table that the stages after validation read."""
    found = context.store.find(stored, version=version)
    return {
        "table": name,
        "name": stored,
        "version": version,
        "digest": found.digest,
        "rows": found.rows,
        "columns": context.store.parts(stored, version=version).dtypes,
    }


def microseconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A timestamp column as int64[n], microseconds since 1970-01-01 UTC; null is the largest int64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pc.fill_null(column.cast(pa.int64()), np.iinfo(np.int64).max)
    values: npt.NDArray[np.int64] = whole.to_numpy()
    return values
