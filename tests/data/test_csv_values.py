"""A text reads as a value exactly when it means one: never rounded to another, never guessed."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.csv_values import read_values


def read(text, dtype):
    """The value, or "fails"."""
    values, failed = read_values(pl.Series([text], dtype=pl.String()), dtype)
    return "fails" if failed[0] else values[0]


@pytest.mark.parametrize("dtype", ["bool", "int64", "float64", "string", "timestamp"])
def test_a_missing_text_stays_missing_in_every_type(dtype):
    values, failed = read_values(pl.Series([None, None], dtype=pl.String()), dtype)
    assert values.null_count() == 2
    assert not failed.any()


@pytest.mark.parametrize("dtype", ["bool", "int64", "float64", "string", "timestamp"])
def test_no_texts_give_no_values(dtype):
    values, failed = read_values(pl.Series([], dtype=pl.String()), dtype)
    assert len(values) == len(failed) == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("+7", 7), ("-7", -7), ("007", 7), (" 7\t", 7),
        (str(2**63 - 1), 2**63 - 1), (str(-(2**63)), -(2**63)), (str(2**63), "fails"),
        ("7.0", "fails"), ("7e0", "fails"), ("1_0", "fails"), ("", "fails"), ("-", "fails"), ("0x7", "fails"),
        ("\u0667", "fails"), ("7 7", "fails"),
    ],
)  # fmt: skip
def test_int64(text, value):
    assert read(text, "int64") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0), (".5", 0.5), ("5.", 5.0), ("1e5", 1e5), ("1E-5", 1e-5), (" 5", 5.0), ("5e-324", 5e-324),
        ("inf", math.inf), ("-Infinity", -math.inf), ("1e308", 1e308),
        ("1e309", "fails"), ("-1e400", "fails"), ("1,5", "fails"), ("1_0", "fails"), ("0x1p3", "fails"),
        ("", "fails"), ("e5", "fails"), ("1e", "fails"), ("five", "fails"),
    ],
)  # fmt: skip
def test_float64(text, value):
    assert read(text, "float64") == value


def test_nan_is_a_value_and_minus_zero_keeps_its_sign():
    assert math.isnan(read("nan", "float64"))
    assert math.copysign(1, read("-0", "float64")) == -1


def test_digits_too_large_fail_beside_an_infinity_that_is_meant():
    values, failed = read_values(pl.Series(["1e999", "inf", None, " 1e999"]), "float64")
    assert failed.to_list() == [True, False, False, True]
    assert values[1] == math.inf


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("TRUE", True), ("1", True), ("False", False), ("0", False), (" true ", True),
     ("yes", "fails"), ("2", "fails"), ("tRue", "fails")],
)  # fmt: skip
def test_bool(text, value):
    assert read(text, "bool") is value or read(text, "bool") == value == "fails"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2013-03-10T06:59:59Z", datetime(2013, 3, 10, 6, 59, 59, tzinfo=UTC)),
        ("2013-03-10 06:59:59Z", datetime(2013, 3, 10, 6, 59, 59, tzinfo=UTC)),
        ("2013-03-10T06:59:59.5Z", datetime(2013, 3, 10, 6, 59, 59, 500_000, tzinfo=UTC)),
        ("2013-03-10T06:59:59.123456789Z", datetime(2013, 3, 10, 6, 59, 59, 123_456, tzinfo=UTC)),
        ("2013-03-10T06:59:59+05:30", datetime(2013, 3, 10, 1, 29, 59, tzinfo=UTC)),
        ("2013-03-10T06:59:59-0500", datetime(2013, 3, 10, 11, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2013-03-10T06:59:59", "fails"), ("2013-03-10", "fails"), ("2013-02-29T00:00:00Z", "fails"),
        ("2013-03-10T24:00:00Z", "fails"), ("10.03.2013", "fails"), ("", "fails"), ("1362898799", "fails"),
        ("-0001-01-01T00:00:00Z", "fails"), ("12013-01-01T00:00:00Z", "fails"),
        ("0001-01-01T00:00:00+01:00", "fails"),
    ],
)  # fmt: skip
def test_timestamp(text, value):
    assert read(text, "timestamp") == value


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_string_is_kept_as_it_is(text):
    assert read(text, "string") == text


@settings(deadline=None)
@given(st.integers(-(2**70), 2**70))
def test_integers_read_exactly_or_not_at_all(value):
    assert read(str(value), "int64") == (value if -(2**63) <= value < 2**63 else "fails")


@settings(deadline=None)
@given(st.floats(allow_nan=False))
def test_floats_read_back_to_the_same_bits(value):
    assert read(repr(value), "float64").hex() == value.hex()


@settings(deadline=None)
@given(st.from_regex(r"-?[0-9]{1,25}\.[0-9]{1,25}", fullmatch=True), st.integers(-340, 320))
def test_decimals_are_rounded_once_to_the_nearest_float(mantissa, exponent):
    text = f"{mantissa}e{exponent}"
    found = read(text, "float64")
    assert found == "fails" if math.isinf(float(text)) else found.hex() == float(text).hex()


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789+-.eEinfa _"), max_size=8))
def test_what_reads_as_a_number_is_a_number_of_the_grammar(text):
    bare = text.strip()
    assert (read(text, "int64") != "fails") == bool(re.fullmatch(r"[+-]?[0-9]+", bare))
    number = re.fullmatch(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity|nan))", bare)
    known = number is not None and (not math.isinf(float(bare)) or "i" in bare.lower())
    assert (read(text, "float64") != "fails") == known


@settings(deadline=None)
@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001  # the zone is drawn beside it
    st.integers(-14 * 60, 14 * 60),
)
def test_moments_with_an_offset_read_as_the_same_moment(local, offset_minutes):
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert read(moment.isoformat(), "timestamp") == moment
