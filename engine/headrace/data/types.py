"""The one vocabulary of column types: what a project writes, what tables hold, what features are planned against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError, did_you_mean

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

DTYPES: tuple[str, ...] = ("bool", "int64", "float64", "string", "timestamp")
"""`timestamp` is microseconds since the epoch in UTC; local times are converted before they enter a table."""


def check_dtype(dtype: str, *, where: str) -> None:
    """Refuse a type the vocabulary does not hold.

    Raises:
        DefinitionError: `dtype` is not one of `DTYPES`; the message says where it was written.
    """
    if dtype not in DTYPES:
        raise DefinitionError(
            f"{where}: '{dtype}' is not a column type; allowed: {', '.join(DTYPES)}",
            hint=did_you_mean(dtype, DTYPES),
        )


def arrow_type(dtype: str) -> pa.DataType:
    """Arrow type of a name in `DTYPES`."""
    import pyarrow as pa

    return {
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "string": pa.string(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }[dtype]


def polars_type(dtype: str) -> pl.DataType:
    """Polars type of a name in `DTYPES`."""
    import polars as pl

    return {
        "bool": pl.Boolean(),
        "int64": pl.Int64(),
        "float64": pl.Float64(),
        "string": pl.String(),
        "timestamp": pl.Datetime("us", "UTC"),
    }[dtype]


def dtype_name(arrow: pa.DataType) -> str | None:
    """Name of the type that holds every value of an Arrow type without loss, or None where there is none.

    Narrower integers widen to int64, float32 to float64; a timestamp without a zone has no name here, because nobody
    knows which moment it means.
    """
    import pyarrow.types as is_

    if is_.is_boolean(arrow):
        return "bool"
    if is_.is_integer(arrow) and not is_.is_uint64(arrow):
        return "int64"
    if is_.is_floating(arrow):
        return "float64"
    if is_.is_string(arrow) or is_.is_large_string(arrow) or is_.is_string_view(arrow):
        return "string"
    if is_.is_timestamp(arrow) and arrow.tz is not None:
        return "timestamp"
    return None


def table_dtypes(table: pa.Table) -> dict[str, str]:
    """Column types of a table, by name, in column order.

    Raises:
        DefinitionError: a column's Arrow type has no name in the vocabulary.
    """
    return {field.name: _named(field.name, field.type) for field in table.schema}


def conform(table: pa.Table, dtypes: Mapping[str, str] | None = None) -> pa.Table:
    """Give every column the one Arrow type of its name; values are widened, never narrowed.

    Args:
        table: any columns whose types have a name.
        dtypes: what the columns must be; None takes what they are.

    Returns:
        the columns of `dtypes` in that order (others are dropped), or all columns.

    Raises:
        DefinitionError: a column is absent, has no named type, or is not the declared one.
    """
    import pyarrow as pa

    actual = {field.name: field.type for field in table.schema}
    wanted = dtypes if dtypes is not None else table_dtypes(table)
    for name, dtype in wanted.items():
        if name not in actual:
            raise DefinitionError(
                f"column '{name}' is declared but the prepared table does not have it; it has: {', '.join(actual)}",
                hint=did_you_mean(name, actual),
            )
        found = _named(name, actual[name])
        if found != dtype and (found, dtype) != ("int64", "float64"):
            raise DefinitionError(f"column '{name}' is {found}, declared {dtype}")
    schema = pa.schema([(name, arrow_type(dtype)) for name, dtype in wanted.items()])
    return table.select(list(wanted)).cast(schema)


def _named(name: str, arrow: pa.DataType) -> str:
    dtype = dtype_name(arrow)
    if dtype is None:
        hint = (
            "say which zone its times are in, and convert them to UTC" if str(arrow).startswith("timestamp") else None
        )
        raise DefinitionError(f"column '{name}' has type {arrow}; tables hold {', '.join(DTYPES)}", hint=hint)
    return dtype
