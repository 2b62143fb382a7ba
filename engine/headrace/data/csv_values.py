"""Text to typed values: what reads as which type, and what does not."""

from __future__ import annotations

import polars as pl

from headrace.data.types import polars_type

FIRST_US = -62_135_596_800_000_000  # the year 1; Arrow takes the year 0 too
TRUE = ("true", "True", "TRUE", "1")
FORM_BYTES = len("2013-03-10T06:59:59Z")
FALSE = ("false", "False", "FALSE", "0")


def read_values(texts: pl.Series, dtype: str) -> tuple[pl.Series, pl.Series]:
    """Read texts as values of a vocabulary type.

    * `int64`: decimal digits with an optional sign; what does not fit 64 bits does not read.
    * `float64`: decimal or scientific notation, `nan`, `inf`; digits too large for 64 bits do not read.
    * `bool`: true, false, 1, 0.
    * `timestamp`: ISO 8601 with seconds and a zone (`Z` or an offset); without one nobody knows which moment it is.
      Years 1 to 9999, as Python has them; digits beyond microseconds are cut off.

    Blanks around a value are ignored, except in strings.

    Args:
        texts: String; null is a missing value and stays null.
        dtype: one of `DTYPES`.

    Returns:
        the values, and a Boolean series that is True where a text does not read as the type.
    """
    if dtype == "string":
        return texts, pl.repeat(value=False, n=len(texts), eager=True)
    values = _read(texts, dtype)
    failed = values.is_null() & texts.is_not_null()
    if failed.any():
        values = values.fill_null(_read(texts.str.strip_chars(), dtype))
        failed = values.is_null() & texts.is_not_null()
    return values, failed


def times_in_utc(texts: pl.Series) -> pl.Series | None:
    """Texts of the one form `2013-03-10T06:59:59Z` as moments, ten times faster; None where one is not of that form.

    Of 20 characters, Arrow's parser takes no other form for a moment.
    """
    import pyarrow as pa

    if not (texts.str.len_bytes() == FORM_BYTES).all():  # nulls count as of that form
        return None
    try:
        moments = pl.Series(texts.to_arrow().cast(pa.timestamp("us", "UTC")))
    except pa.ArrowInvalid:
        return None
    first = moments.to_physical().min()
    return None if isinstance(first, int) and first < FIRST_US else moments


def _read(texts: pl.Series, dtype: str) -> pl.Series:
    if dtype == "bool":
        known = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)
        return texts.replace_strict(known, default=None, return_dtype=pl.Boolean())
    if dtype == "timestamp":
        with_offset = texts.str.replace(r"Z$", "+00:00").str.replace(" ", "T", literal=True)
        values = with_offset.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
        return values.set(~values.dt.year().is_between(1, 9999), None)
    values = texts.cast(polars_type(dtype), strict=False)
    if dtype == "float64":
        overflowed = values.is_infinite() & texts.str.contains(r"\d")
        if overflowed.any():
            values = values.set(overflowed, None)
    return values
