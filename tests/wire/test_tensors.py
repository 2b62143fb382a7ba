import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from headrace.core.errors import InvalidInputError
from headrace.wire import inference_pb2 as pb
from headrace.wire.tensors import DTYPES, datatype_of, decode_contents, decode_raw, encode_raw

NUMERIC = [name for name in DTYPES if name != "BYTES"]
TYPED = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


@given(st.data(), st.sampled_from(NUMERIC))
def test_every_numeric_tensor_survives_the_wire_bit_by_bit(data, datatype):
    array = data.draw(hnp.arrays(DTYPES[datatype], hnp.array_shapes(min_dims=1, max_dims=3, min_side=0)))
    back = decode_raw("t", datatype, array.shape, encode_raw(array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_a_bool_is_any_byte_and_leaves_as_0_or_1():
    array = decode_raw("t", "BOOL", (4,), b"\x00\x01\x02\xff")
    assert array.tolist() == [False, True, True, True]
    assert encode_raw(array) == b"\x00\x01\x01\x01"


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_bytes_elements_survive_the_wire(elements):
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    assert decode_raw("t", "BYTES", (len(elements),), encode_raw(array)).tolist() == elements


@given(st.binary(max_size=64), st.integers(0, 8))
def test_arbitrary_bytes_decode_or_are_refused(content, count):
    """Hostile lengths never read beyond the content."""
    try:
        array = decode_raw("t", "BYTES", (count,), content)
    except InvalidInputError:
        return
    assert encode_raw(array) == content


def test_big_endian_and_strided_arrays_leave_little_endian_and_row_major():
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    assert encode_raw(array) == struct.pack("<6f", 0, 3, 1, 4, 2, 5)


@pytest.mark.parametrize("datatype", sorted(TYPED))
def test_typed_contents_decode(datatype):
    contents = pb.InferTensorContents()
    getattr(contents, TYPED[datatype]).extend([0, 1, 1, 0])
    array = decode_contents("t", datatype, (2, 2), contents)
    assert array.dtype == DTYPES[datatype]
    assert array.tolist() == [[0, 1], [1, 0]]


def test_typed_bytes_decode():
    contents = pb.InferTensorContents(bytes_contents=[b"a", b""])
    assert decode_contents("t", "BYTES", (2,), contents).tolist() == [b"a", b""]


@pytest.mark.parametrize(
    ("datatype", "shape", "content", "words"),
    [
        ("FP32", (2, 3), b"x" * 20, ["'t'", "20 bytes", "FP32", "[2, 3]", "24"]),
        ("FP32X", (1,), b"", ["FP32X", "allowed", "FP32"]),
        ("BF16", (1,), b"x", ["BF16", "1 bytes came", "needs 2"]),
        ("FP32", (1, 0, 2**62), b"", ["[1, 0, 4611686018427387904]", "no array can have"]),
        ("BYTES", (1, 0, 2**62), b"", ["no array can have"]),
        ("BYTES", (2,), b"\x01\x00\x00\x00a", ["'t'", "2 BYTES elements"]),
    ],
)
def test_raw_that_does_not_fit_is_refused_in_words(datatype, shape, content, words):
    with pytest.raises(InvalidInputError) as caught:
        decode_raw("t", datatype, shape, content)
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    ("datatype", "contents", "words"),
    [
        ("FP32", {"fp32_contents": [1.0]}, ["1 values", "[2]", "needs 2"]),
        ("FP32", {"fp64_contents": [1.0, 2.0]}, ["fp32_contents", "fp64_contents"]),
        ("INT8", {"int_contents": [1, 300]}, ["int_contents", "INT8", "300"]),
        ("FP16", {}, ["FP16", "no typed contents"]),
        ("BF16", {}, ["BF16", "no typed contents"]),
    ],
)
def test_contents_that_do_not_fit_are_refused_in_words(datatype, contents, words):
    with pytest.raises(InvalidInputError) as caught:
        decode_contents("t", datatype, (2,), pb.InferTensorContents(**contents))
    for word in words:
        assert word in caught.value.message


def test_dtypes_name_their_datatype():
    for name, dtype in DTYPES.items():
        assert datatype_of(dtype) == ("UINT16" if name == "BF16" else name)
    assert datatype_of(">f4") == "FP32"
    assert datatype_of("U5") == "BYTES"
    with pytest.raises(InvalidInputError, match="complex64"):
        datatype_of("c8")
