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

    Narrower integers widen to int64, float32 to float64, dictionary-encoded strings become plain; a timestamp without a
    zone has no name here, because nobody knows which moment it means.
    """
    import pyarrow.types as is_

    plain = arrow.value_type if is_.is_dictionary(arrow) else arrow
    kinds = {
        "bool": is_.is_boolean(plain),
        "int64": is_.is_integer(plain) and not is_.is_uint64(plain),
        "float64": is_.is_floating(plain),
        "string": is_.is_string(plain) or is_.is_large_string(plain) or is_.is_string_view(plain),
        "timestamp": is_.is_timestamp(plain) and plain.tz is not None,
    }
    return next((name for name, holds in kinds.items() if holds), None)


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
        DefinitionError: a column is absent, comes twice, has no named type, is not the declared one, or holds
            nanoseconds that microseconds do not.
    """
    import pyarrow as pa

    actual = {field.name: field.type for field in table.schema}
    if len(actual) < table.num_columns:
        raise DefinitionError(f"column names come more than once: {', '.join(table.column_names)}")
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
    try:
        return table.select(list(wanted)).cast(schema)
    except pa.ArrowInvalid as error:
        raise DefinitionError(f"a column does not fit its type: {error}") from error


def _named(name: str, arrow: pa.DataType) -> str:
    dtype = dtype_name(arrow)
    if dtype is None:
        hint = (
            "say which zone its times are in, and convert them to UTC" if str(arrow).startswith("timestamp") else None
        )
        raise DefinitionError(f"column '{name}' has type {arrow}; tables hold {', '.join(DTYPES)}", hint=hint)
    return dtype
