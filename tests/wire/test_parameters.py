import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import InvalidInputError
from headrace.wire import inference_pb2 as pb
from headrace.wire.parameters import InferOptions, join_ids, read_options


def request(**parameters):
    message = pb.ModelInferRequest()
    for name, (kind, value) in parameters.items():
        setattr(message.parameters[name], kind, value)
    return message.parameters


@given(st.lists(st.text(min_size=1).filter(lambda name: "\n" not in name), min_size=1, max_size=5))
def test_ids_survive_the_wire(ids):
    parameters = request(ids=("string_param", join_ids(ids, rows=len(ids))))
    assert read_options(parameters).ids == tuple(ids)


def test_nothing_asked_is_nothing_read():
    assert read_options(request()) == InferOptions()
    assert read_options(request(other=("bool_param", True))) == InferOptions()


def test_options_are_read_and_a_timeout_of_zero_is_none():
    parameters = request(routing_key=("string_param", "k"), timeout=("int64_param", 2500))
    assert read_options(parameters) == InferOptions(routing_key="k", timeout_us=2500)
    assert read_options(request(timeout=("int64_param", 0))).timeout_us is None


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"ids": ("string_param", "a\n\nb")}, "id 1 is empty"),
        ({"ids": ("int64_param", 3)}, "int64_param came, expected string_param"),
        ({"routing_key": ("bool_param", True)}, "bool_param came, expected string_param"),
        ({"timeout": ("int64_param", -1)}, "-1 came"),
        ({"priority": ("int64_param", -1)}, "'priority': -1 came"),
        ({"priority": ("string_param", "high")}, "string_param came, expected uint64_param"),
        ({"triton_x": ("bool_param", True)}, "'triton_x': names with the prefix 'triton_' are reserved"),
        ({"timeout": ("string_param", "1")}, "string_param came, expected int64_param"),
    ],
)
def test_a_wrong_parameter_is_named(parameters, words):
    with pytest.raises(InvalidInputError, match=words):
        read_options(request(**parameters))


def test_what_depends_on_rows_and_server_is_checked_against_them():
    options = read_options(request(ids=("string_param", "a\nb"), priority=("uint64_param", 3)))
    options.check(rows=2, priority_levels=3)
    with pytest.raises(InvalidInputError, match="2 ids came, the request has 3 rows"):
        options.check(rows=3, priority_levels=3)
    with pytest.raises(InvalidInputError, match=r"'priority': 3 came, allowed: 1 \(first\) to 2, 0 for the default"):
        options.check(rows=2, priority_levels=2)


@pytest.mark.parametrize("kind", ["int64_param", "uint64_param"])
def test_numbers_are_read_from_either_integer_field(kind):
    assert read_options(request(priority=(kind, 2), timeout=(kind, 7))) == InferOptions(timeout_us=7, priority=2)


def test_sequences_and_what_others_read_are_ignored():
    parameters = request(
        sequence_id=("uint64_param", 7),
        sequence_start=("bool_param", True),
        sequence_end=("bool_param", False),
        binary_data_output=("bool_param", True),
        triton_enable_empty_final_response=("bool_param", True),
    )
    assert read_options(parameters) == InferOptions()


@pytest.mark.parametrize(("ids", "rows"), [(["a"], 2), (["a", ""], 2), (["a\nb"], 1)])
def test_ids_that_cannot_travel_are_refused(ids, rows):
    with pytest.raises(InvalidInputError):
        join_ids(ids, rows=rows)
