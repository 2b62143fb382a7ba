"""The door's readers, one by one: what they accept, Python's protobuf reads alike."""

import random
import runpy
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.wire import inference_pb2 as pb

rules = pytest.importorskip("headrace.serving.transport._rules", reason="the native door is not built here")
ROOT = Path(__file__).parents[3]
CORPUS = sorted((ROOT / "engine" / "native" / "fuzz" / "corpus" / "reader").iterdir())
UNITS = {"H": 3600 * 10**9, "M": 60 * 10**9, "S": 10**9, "m": 10**6, "u": 1000, "n": 1}
NEVER = 2**63 - 1


def check_reading(content: bytes) -> bool:
    """Whether the door reads it as plain; where it does, protobuf finds the same in it, and nothing else."""
    seen = rules.read_plain(content)
    if seen is None:
        return False
    message = pb.ModelInferRequest.FromString(content)
    assert (message.model_name, message.model_version, message.id) == tuple(
        seen[name].decode() for name in ("model", "version", "id")
    )
    assert [(one.name, one.datatype, list(one.shape)) for one in message.inputs] == [
        (name.decode(), datatype.decode(), shape) for name, datatype, shape in seen["inputs"]
    ]
    assert list(message.raw_input_contents) == seen["raw"]
    assert [one.name for one in message.outputs] == [name.decode() for name in seen["outputs"]]
    assert not any(one.parameters or one.HasField("contents") for one in message.inputs)
    assert not any(one.parameters for one in message.outputs)
    given_values = {
        "priority": (seen["priority"], "uint64_param"),
        "timeout": (seen["timeout_us"], "int64_param"),
        "routing_key": (seen["routing_key"].decode(), "string_param"),
        "ids": (seen["ids"].decode(), "string_param"),
    }
    for name, (value, kind) in given_values.items():
        if value:
            assert getattr(message.parameters[name], kind) == value
    assert set(message.parameters) == {name for name, (value, _) in given_values.items() if value}
    return True


def test_the_fuzzers_corpus_is_read_alike():
    accepted = sum(check_reading(file.read_bytes()) for file in CORPUS)
    assert accepted > 20


def test_mutated_requests_are_read_alike():
    script = runpy.run_path(str(Path(__file__).with_name("mutate_messages.py")))
    rng = random.Random(5)
    good = script["good_messages"]()
    assert [check_reading(message) for message in good].count(False) == 2  # an unknown parameter, typed contents
    accepted = sum(check_reading(script["mutate"](rng.choice(good), rng)) for _ in range(20_000))
    assert accepted > 2000


@given(st.binary(max_size=60))
def test_noise_is_read_alike_or_left_to_the_service(content):
    check_reading(content)


def test_what_protobuf_refuses_is_not_plain():
    for content in (b"\x0a", b"\x0a\x05late", b"\x00", b"\x0b", b"\x0a\x01\xff", b"\x2a\x02\x0a\x05", b"\xff" * 10):
        with pytest.raises(DecodeError):
            pb.ModelInferRequest.FromString(content)
        assert rules.read_plain(content) is None


@given(st.integers(0, 99_999_999), st.sampled_from(sorted(UNITS)))
@example(99_999_999, "H")
@example(0, "n")
def test_timeouts_have_one_to_eight_digits_and_a_unit(value, unit):
    expected = min(value * UNITS[unit], NEVER)
    found = rules.parse_timeout(f"{value}{unit}".encode())
    assert found == expected or (unit == "H" and value * UNITS[unit] > NEVER - 3600 * 10**9 and found == NEVER)


@pytest.mark.parametrize(
    "text", [b"", b"m", b"1", b"1s", b"-1S", b"+1S", b" 1S", b"1 S", b"123456789S", b"1.0S", b"\xb2S"]
)
def test_other_timeouts_are_none(text):
    assert rules.parse_timeout(text) is None


@given(st.binary(max_size=40))
def test_an_escaped_text_is_printable_and_comes_back(text):
    escaped = rules.escape_message(text)
    assert all(" " <= character <= "~" for character in escaped)
    assert unquote_to_bytes(escaped) == text
