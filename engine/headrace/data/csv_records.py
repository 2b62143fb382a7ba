"""Where the records of a CSV text begin and end, and which of them are no records.

Works on bytes with NumPy, a few passes over the text, so that every record has a line number even where quoted fields
hold newlines. Reference: RFC 4180, with LF accepted beside CRLF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEWLINE, RETURN, QUOTE = 10, 13, 34
STRAY_QUOTES_MAX = 1_000


@dataclass(frozen=True)
class Records:
    """Records of a text, the header first; blank lines are no records.

    Attributes:
        starts: int64[n], offset of each record's first byte.
        ends: int64[n], offset behind its last byte, line ending excluded.
        lines: int64[n], line where it begins, counted from 1.
        fields: int64[n], number of fields.
        stray: bool[n], True where a quote is neither around a field nor doubled inside one; there `fields` means
            nothing.
        blank: number of blank lines between and around the records.
        pending: where the text ends inside a quoted field that may go on: offset of the record that holds it, which is
            not among these records. None: nowhere.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: NDArray[np.int64]
    fields: NDArray[np.int64]
    stray: NDArray[np.bool_]
    blank: int
    pending: int | None = None


def split_records(
    text: bytes,
    separator: int,
    *,
    goes_on: bool = False,
    first_line: int = 1,
    stray_max: int = STRAY_QUOTES_MAX,
) -> Records:
    """Find the records of a CSV text.

    A line with a stray quote is a record of its own, marked, and the quote does not count: one bad line never swallows
    the lines behind it. O(bytes) time without stray quotes; each stray line costs another pass over the quotes.

    Args:
        text: without byte order mark.
        separator: the byte between fields.
        goes_on: more text follows this one, which ends with a line ending: a quoted field that is open at its end is
            no stray quote yet.
        first_line: number of the text's first line.
        stray_max: how many lines may hold stray quotes.

    Raises:
        SourceError: more than `stray_max` lines hold stray quotes: the file is not what it is taken for.
    """
    data = np.frombuffer(text, np.uint8)
    newlines = np.flatnonzero(data == NEWLINE)
    separators = np.flatnonzero(data == separator)
    judge = _Judge(data, separator, goes_on, first_line, stray_max)
    quotes, stray_lines = _without_stray(judge, np.flatnonzero(data == QUOTE), newlines)
    breaks = _outside(newlines, quotes)
    starts = np.concatenate([[0], breaks + 1]).astype(np.int64)
    ends = np.concatenate([breaks, [len(data)]]).astype(np.int64)
    if len(data):
        ends = np.where((ends > starts) & (data[ends - 1] == RETURN), ends - 1, ends)
    lines = np.searchsorted(newlines, starts).astype(np.int64) + first_line
    outside = _outside(separators, quotes)
    fields = np.searchsorted(outside, ends) - np.searchsorted(outside, starts) + 1
    filled = ends > starts
    blank = int(np.count_nonzero(~filled[:-1]))  # the last one is what follows the last line ending
    stray = np.isin(lines, np.asarray(sorted(stray_lines), np.int64))
    pending = None
    if goes_on and len(quotes) % 2:
        pending = int(starts[-1])  # the only record without an end
        filled[-1] = False
    records = starts[filled], ends[filled], lines[filled], fields[filled].astype(np.int64), stray[filled]
    return Records(*records, blank, pending)


@dataclass(frozen=True)
class _Judge:
    """What decides whether a quote is stray."""

    data: NDArray[np.uint8]
    separator: int
    goes_on: bool
    first_line: int
    stray_max: int


def _outside(positions: NDArray[np.int64], quotes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions with an even number of quotes before them."""
    return positions[np.searchsorted(quotes, positions) % 2 == 0] if len(quotes) else positions


def _without_stray(
    judge: _Judge, quotes: NDArray[np.int64], newlines: NDArray[np.int64]
) -> tuple[NDArray[np.int64], set[int]]:
    """Quotes that pair up as RFC 4180 has it, and the lines whose quotes do not."""
    stray: set[int] = set()
    holes: set[int] = set()  # where the stray lines begin
    while len(quotes):
        culprit = _first_stray(judge, quotes, np.asarray(sorted(holes), np.int64))
        if culprit is None:
            break
        line = int(np.searchsorted(newlines, culprit))
        stray.add(line + judge.first_line)
        if len(stray) > judge.stray_max:
            raise SourceError(
                f"more than {STRAY_QUOTES_MAX:,} lines hold a quote that neither encloses a field nor is doubled "
                f"inside one, the first on line {min(stray):,}",
                hint='write " inside a field as "" and put the field in quotes',
            )
        begin = 0 if line == 0 else int(newlines[line - 1])
        end = int(newlines[line]) if line < len(newlines) else len(judge.data)
        holes.add(begin)
        quotes = quotes[(quotes < begin) | (quotes > end)]
    return quotes, stray


def _first_stray(judge: _Judge, quotes: NDArray[np.int64], holes: NDArray[np.int64]) -> int | None:
    """Position of the first opening quote that does not open a field, or whose partner does not close it.

    No field reaches over a stray line: a pair with one between its quotes is none.
    """
    data, separator = judge.data, judge.separator
    before = np.where(quotes > 0, data[np.maximum(quotes, 1) - 1], NEWLINE)
    last = len(data) - 1
    after = np.where(quotes < last, data[np.minimum(quotes + 1, last)], NEWLINE)
    behind = np.where(quotes + 1 < last, data[np.minimum(quotes + 2, last)], NEWLINE)
    after = np.where((after == RETURN) & (behind == NEWLINE), NEWLINE, after)  # CR ends a line before LF or at the end
    opening, closing = quotes[0::2], quotes[1::2]
    # A doubled quote closes and opens again at once: it is judged by the pair it continues.
    reopened = np.zeros(len(opening), bool)
    reopened[1 : len(closing) + 1] = opening[1:] == closing[: len(opening) - 1] + 1
    opens = reopened | np.isin(before[0::2], [separator, NEWLINE])
    closes = np.zeros(len(opening), bool)
    closes[: len(closing)] = np.isin(after[1::2], [separator, NEWLINE, QUOTE])
    closes[: len(closing)] &= np.searchsorted(holes, opening[: len(closing)]) == np.searchsorted(holes, closing)
    if judge.goes_on and len(opening) > len(closing):
        closes[-1] = True  # its partner may come with the rest of the text
    bad = np.flatnonzero(~(opens & closes))
    if not len(bad):
        return None
    first = int(bad[0])
    while reopened[first]:
        first -= 1
    return int(opening[first])
