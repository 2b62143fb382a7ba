"""Tables of other libraries: whatever speaks Arrow's interfaces gives the bits of an Arrow table."""

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import headrace.features as hr
from headrace.core.errors import InvalidInputError
from headrace.data.types import table_dtypes
from headrace.features.table_inputs import as_table

EVENTS = pa.table(
    {
        "key": pa.array(["a", "b", "a", None, "b", "a"]),
        "at": pa.array([0, 1, 2, 3, 4, 5], pa.timestamp("us", "UTC")),
        "amount": pa.array([1.5, None, 2.5, 4.0, float("nan"), -0.0], pa.float64()),
    }
)


class OneBatch:
    """A library that hands out one batch."""

    def __arrow_c_array__(self, requested_schema=None):
        return EVENTS.to_batches()[0].__arrow_c_array__(requested_schema)


FRAMES = {
    "polars": lambda: pl.from_arrow(EVENTS),
    "duckdb": lambda: duckdb.from_arrow(EVENTS),
    "batch": lambda: EVENTS.to_batches()[0],
    "reader": lambda: pa.RecordBatchReader.from_batches(EVENTS.schema, EVENTS.to_batches()),
    "one batch": OneBatch,
}


@pytest.mark.parametrize("library", FRAMES)
def test_frames_of_other_libraries_give_the_same_bits(library):
    events = hr.EventTable("events", keys=["key"], event_time="at")
    features = hr.FeatureSet(
        "set",
        spine=events,
        at="at",
        features=[hr.windows(events, by="key", over=["1h"], values={"amount": [hr.Max()], None: [hr.Count()]})],
    )
    plan = hr.compile_plan(features, {"events": table_dtypes(EVENTS)})
    expected = hr.compute(plan, {"events": EVENTS}).values
    if library != "reader":  # a stream is read once: the spine would be a second time
        assert np.array_equal(hr.compute(plan, {"events": FRAMES[library]()}).values, expected, equal_nan=True)
    found = as_table("events", FRAMES[library]())
    assert found.num_rows == EVENTS.num_rows
    assert np.array_equal(hr.compute(plan, {"events": found}).values, expected, equal_nan=True)


def test_an_encoder_is_fitted_to_a_frame_of_another_library():
    events = hr.EventTable("events", keys=["key"], event_time="at")
    features = hr.FeatureSet("set", spine=events, at="at", features=[hr.binned("amount", bins=2)])
    plan = hr.compile_plan(features, {"events": table_dtypes(EVENTS)})
    rows = np.arange(EVENTS.num_rows)
    expected = hr.fit_plan(plan, {"events": EVENTS}, rows=rows)
    assert hr.fit_plan(plan, {"events": pl.from_arrow(EVENTS)}, rows=rows) == expected
    assert hr.fit_plan(plan, {}, rows=rows, spine=pl.from_arrow(EVENTS)) == expected


@pytest.mark.parametrize("values", [None, 3, [1, 2], {"key": ["a"]}])
def test_what_is_no_table_is_said(values):
    with pytest.raises(InvalidInputError, match=r"table 'events' is a \w+, which is not a table") as info:
        as_table("events", values)
    assert "__arrow_c_stream__" in info.value.hint


def test_a_column_alone_is_no_table():
    with pytest.raises(InvalidInputError, match="table 'events'"):
        as_table("events", pa.array([1, 2]))
