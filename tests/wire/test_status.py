import grpc
import pytest

from headrace.core import errors
from headrace.core.errors import Code, HeadraceError
from headrace.wire.status import STATUS_NAMES, STATUS_NUMBERS, error_from_status, status_details

CONCRETE = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HeadraceError) and kind.__base__ is HeadraceError
]


def test_every_code_has_a_number_and_a_name_and_grpc_agrees_on_both():
    assert set(STATUS_NUMBERS) == set(STATUS_NAMES) == set(Code)
    by_number = {code.value[0]: code.name for code in grpc.StatusCode}
    for code in Code:
        assert by_number[STATUS_NUMBERS[code]] == STATUS_NAMES[code]


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_an_error_crosses_the_wire_with_its_kind_message_and_hint(kind):
    sent = kind("what was wrong", hint="what to do")
    received = error_from_status(STATUS_NUMBERS[sent.code], status_details(sent))
    assert (type(received), received.message, received.hint) == (kind, sent.message, sent.hint)


def test_no_status_travels_with_empty_details():
    assert status_details(HeadraceError(""))


def test_long_details_are_cut_so_that_they_fit_the_trailers():
    details = status_details(HeadraceError("é" * 100_000, hint="x" * 100_000))
    assert len(details.encode()) < 3200
    assert "(200000 bytes in all)" in details


def test_a_status_without_words_still_says_something():
    assert "status 2" in error_from_status(2, None).message
