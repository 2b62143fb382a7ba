"""A reference is a name, a name and a version, or a name and an alias; nothing is guessed."""

from __future__ import annotations

import pytest

from headrace.core.errors import InvalidInputError
from headrace.packaging.reference import Reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("late", Reference("late", alias="champion")),
        ("late@2", Reference("late", version=2)),
        ("late@challenger", Reference("late", alias="challenger")),
        ("late-flights.v2@10", Reference("late-flights.v2", version=10)),
    ],
)
def test_parses(text, reference):
    assert Reference.parse(text) == reference
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize("text", ["", "@", "late@", "late@0", "late@-1", "late@1@2", "Late", "a b", "late@²", "../x"])
def test_refuses(text):
    with pytest.raises(InvalidInputError):
        Reference.parse(text)
