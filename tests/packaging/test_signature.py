"""A caller's columns are taken where no value would change, and refused with the reason elsewhere."""

from __future__ import annotations

import json

import pytest

from headrace.core.errors import InvalidInputError
from headrace.packaging import Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec("features", "FP32", (-1, 2)),),
    outputs=(TensorSpec("score", "FP32", (-1, 1)),),
    features=("distance", "seats"),
    columns={"distance": "float64", "seats": "int32", "carrier": "string"},
)
OFFERED = {"distance": "float64", "seats": "int32", "carrier": "string"}


def test_json_gives_the_signature_back():
    assert Signature.from_json(json.loads(json.dumps(SIGNATURE.to_json()))) == SIGNATURE


def test_the_matrix_signature_is_what_the_exporter_writes():
    signature = Signature.of_matrix(("a", "b", "c"))
    assert signature.inputs == (TensorSpec("features", "FP32", (-1, 3)),)
    assert signature.outputs == (TensorSpec("score", "FP32", (-1, 1)),)


@pytest.mark.parametrize(
    "change",
    [{}, {"extra": "object"}, {"seats": "int8"}, {"distance": "float32"}, {"distance": "int64"}],
    ids=["exact", "extra", "narrower-int", "float-to-double", "int-to-double"],
)
def test_columns_that_widen_are_taken_in_the_models_order(change):
    assert SIGNATURE.admit(OFFERED | change) == ("distance", "seats", "carrier")


@pytest.mark.parametrize(
    "change",
    [{"seats": "int64"}, {"seats": "float64"}, {"distance": "string"}, {"carrier": "int32"}],
    ids=["wider-int", "double-to-int", "string-to-number", "number-to-string"],
)
def test_columns_that_would_lose_values_are_refused_by_name(change):
    (name,) = change
    with pytest.raises(InvalidInputError, match=f"column '{name}' is {change[name]}"):
        SIGNATURE.admit(OFFERED | change)


def test_a_missing_column_is_refused_with_the_nearest_offered():
    offered = {"distence" if name == "distance" else name: dtype for name, dtype in OFFERED.items()}
    with pytest.raises(InvalidInputError, match="column 'distance'") as caught:
        SIGNATURE.admit(offered)
    assert caught.value.hint == "did you mean 'distence'?"
