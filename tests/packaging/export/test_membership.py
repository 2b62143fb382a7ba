"""Tables of wide category sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.packaging.export import membership
from headrace.packaging.export.membership import build_set_table

sets = st.lists(st.sets(st.integers(0, 80)).map(lambda each: np.array(sorted(each), dtype=np.int64)), max_size=12)


@given(sets)
def test_table_answers_membership(chosen):
    """Looking a category up by its row and a set by its column and values says whether it is a member."""
    table = build_set_table(3, chosen)
    wide = [members for members in chosen if len(members) and members.max() > 30]
    assert (table is None) == (not wide)
    for members in wide:
        column, values = table.find(members)
        held = np.flatnonzero(np.isin(table.bits[:, column], values)) - 1
        assert held.tolist() == members.tolist()


@given(sets)
def test_values_fit_a_mask_and_exclude_unknown(chosen):
    """Byte values stay within what one mask can test, and no category at all is a member of nothing."""
    table = build_set_table(0, chosen)
    if table is not None:
        assert table.bits.max() <= membership.HIGHEST_IN_MASK
        assert table.bits[0].max() == 0
        assert all(0 not in table.find(members)[1] for members in chosen if table.find(members))


def test_equal_sets_are_stored_once():
    """Splits with the same members share a bit."""
    members = np.array([1, 40])
    table = build_set_table(0, [members, members.copy(), np.array([2, 50])])
    assert len(table.numbers) == 2
    assert table.bits.shape == (52, 1)


def test_table_is_bounded(monkeypatch):
    """A table beyond the limit is not built."""
    monkeypatch.setattr(membership, "TABLE_LIMIT_BYTES", 41)
    assert build_set_table(0, [np.array([39])]) is not None
    assert build_set_table(0, [np.array([40])]) is None
